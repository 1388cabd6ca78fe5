using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Traditional memory balloon device: pages that the guest can do without go back to the host, which says how many it wants.</summary>
/// <remarks>VIRTIO 1.2, 5.5. What a page held that the guest gave is gone: it reads as zeros. Of statistics, page poison and free page hints none are offered.</remarks>
/// <param name="reclaimable">Where pages go back to; null: the guest does without them for nothing.</param>
public sealed class VirtioBalloon(IGuestMemory memory, IClock clock, IReclaimableMemory? reclaimable = null) : VirtioDevice(memory, clock, queueCount: 2)
{
    /// <summary>Bytes of a page, whatever the guest's are (5.5.6).</summary>
    public const int PageBytes = 4096;

    /// <summary>Page numbers that are looked at in one chain: drivers send some hundreds. More are let be, which costs the host memory only.</summary>
    public const int MaxPagesInChain = 1024;

    private const ulong DeflateOnOom = 1UL << 2;
    private const int InflateQueue = 0, ConfigurationLength = 8, ActualOffset = 4;

    private readonly byte[] _numbers = new byte[MaxPagesInChain * sizeof(uint)];
    private readonly byte[] _configuration = new byte[ConfigurationLength];

    public override string TypeName => "virtio-balloon";

    public override ushort TypeId => 5;

    public override ulong DeviceFeatures => DeflateOnOom;

    public override int ConfigurationBytes => ConfigurationLength;

    public override IReadOnlyList<Register> ConfigurationRegisters { get; } =
    [
        new("num_pages", 0, 4, RegisterAccess.Read, null, "wanted by the host"),
        new("actual", ActualOffset, 4, RegisterAccess.ReadWrite, null, "given by the driver"),
    ];

    /// <summary>Pages that the driver says to have given.</summary>
    public uint ActualPages => BinaryPrimitives.ReadUInt32LittleEndian(_configuration.AsSpan(ActualOffset));

    /// <summary>Tells the driver how many pages the host wants in all. With the device lock held.</summary>
    public void SetTarget(uint pages)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_configuration, pages);
        if (IsLive)
            SignalConfiguration();
    }

    public override byte ReadConfiguration(int offset) => _configuration[offset];

    public override void WriteConfiguration(int offset, byte value)
    {
        if (offset >= ActualOffset)
            _configuration[offset] = value;
    }

    protected override bool HandleChain(int queue, Virtqueue ring)
    {
        var chain = ring.Chain;
        var numbers = _numbers.AsSpan(0, (int)Math.Min(chain.ReadableBytes, (ulong)_numbers.Length) & ~(sizeof(uint) - 1));
        // A page that comes back is zeros until the guest writes it: nothing is to be done for it.
        if (queue == InflateQueue && chain.TryRead(Memory, 0, numbers))
            Discard(numbers);
        ring.Push(0);
        return true;
    }

    // What the host wants stays; what the driver has given is void.
    protected override void OnReset() => _configuration.AsSpan(ActualOffset).Clear();

    protected override void SaveType(StateWriter writer) => writer.Bytes(_configuration);

    protected override void LoadType(ref StateReader reader)
    {
        var configuration = reader.Bytes(ConfigurationLength);
        if (configuration.Length != ConfigurationLength)
            throw new StateFormatException($"virtio-balloon state: {configuration.Length} bytes of configuration, where {ConfigurationLength} were expected");
        configuration.CopyTo(_configuration);
    }

    // Drivers give neighbours together: one call for each run of them.
    private void Discard(ReadOnlySpan<byte> numbers)
    {
        ulong start = 0, length = 0;
        for (; !numbers.IsEmpty; numbers = numbers[sizeof(uint)..])
        {
            var page = (ulong)BinaryPrimitives.ReadUInt32LittleEndian(numbers) * PageBytes;
            if (length > 0 && page == start + length)
            {
                length += PageBytes;
                continue;
            }
            if (length > 0)
                reclaimable?.TryReclaim(start, length);
            (start, length) = (page, PageBytes);
        }
        if (length > 0)
            reclaimable?.TryReclaim(start, length);
    }
}
