using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Where an entropy device takes its bytes from: the host's generator, or a seeded one where runs must repeat.</summary>
public interface IEntropySource
{
    void Fill(Span<byte> destination);
}

/// <summary>Entropy device: fills every buffer that it is given.</summary>
/// <remarks>VIRTIO 1.2, 5.4. One request is filled up to <see cref="MaxRequestBytes"/>; the driver is told how much it got.</remarks>
public sealed class VirtioRng(IGuestMemory memory, IClock clock, IEntropySource source) : VirtioDevice(memory, clock, queueCount: 1)
{
    /// <summary>A driver asks for some tens of bytes; a chain of gigabytes must not keep the machine waiting.</summary>
    public const int MaxRequestBytes = 64 * 1024;

    private const int PieceBytes = 256;

    public override string TypeName => "virtio-rng";

    public override ushort TypeId => 4;

    protected override bool HandleChain(int queue, Virtqueue ring)
    {
        Span<byte> piece = stackalloc byte[PieceBytes];
        var total = (uint)Math.Min(ring.Chain.WritableBytes, MaxRequestBytes);
        uint filled = 0;
        while (filled < total)
        {
            var part = piece[..(int)Math.Min(total - filled, PieceBytes)];
            source.Fill(part);
            if (!ring.Chain.TryWrite(Memory, filled, part))
                break;
            filled += (uint)part.Length;
        }
        ring.Push(filled);
        return true;
    }
}
