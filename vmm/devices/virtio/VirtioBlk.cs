using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Block device: reads, writes, flush, discard, write zeroes, and the serial number.</summary>
/// <remarks>
/// VIRTIO 1.2, 5.2. What one request is: <see cref="VirtioBlkRequest"/>. A reset waits for the piece of a request that is being copied, and gives up the rest.
/// </remarks>
public sealed class VirtioBlk : VirtioDevice, IDisposable
{
    public const int SectorBytes = 512;

    /// <summary>Longest serial number (5.2.6, VIRTIO_BLK_T_GET_ID).</summary>
    public const int MaxSerialBytes = 20;

    private const ulong SegmentMax = 1UL << 2, ReadOnly = 1UL << 5, BlockSize = 1UL << 6, Flush = 1UL << 9, Discard = 1UL << 13, WriteZeroes = 1UL << 14;

    /// <summary>Of a discard or write zeroes: 1 GiB, so that one request's work has an end.</summary>
    internal const uint MaxRangeSectors = 1 << 21;

    /// <summary>Ranges in one of them.</summary>
    internal const int MaxRanges = 1;

    /// <summary>What is copied at once.</summary>
    internal const int PieceBytes = 64 * 1024;

    // Read while the guest waits, for each of its notifications: so much is copied in some 100 µs.
    private const long BytesNow = 512 * 1024;

    private readonly IBlockImage _image;
    private readonly BlockWorker? _worker;
    private readonly byte[] _serial = new byte[MaxSerialBytes];
    private readonly byte[] _configuration = new byte[60];

    // Held are those that a snapshot had under way, and those that the host could not carry out and that are to be tried again.
    private readonly List<VirtioBlkRequest> _inFlight = [], _held = [];
    private readonly BlockErrors _errors;
    private readonly Stack<VirtioBlkRequest> _free = new();
    private bool _isHeldUp;
    private long _bytesNow;

    /// <param name="image">The disk; the device's own from here on.</param>
    /// <param name="serial">At most <see cref="MaxSerialBytes"/> bytes.</param>
    /// <param name="worker">
    /// Carries requests out while the guest runs, and is the device's own from here on; what it raises leads to <see cref="Poll"/>. Null: each is carried out while the
    /// guest waits, where runs must repeat.
    /// </param>
    /// <param name="errors">What is done about errors of the host; null: the guest is told.</param>
    public VirtioBlk(IGuestMemory memory, IClock clock, IBlockImage image, string serial = "", BlockWorker? worker = null, BlockErrors? errors = null)
        : base(memory, clock, queueCount: 1)
    {
        (_image, _worker, _errors) = (image, worker, errors ?? new BlockErrors());
        Encoding.UTF8.GetBytes(serial, _serial);
        var fields = _configuration.AsSpan();
        BinaryPrimitives.WriteInt64LittleEndian(fields, image.Bytes / SectorBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[12..], QueueSize - 2);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[20..], SectorBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[36..], MaxRangeSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[40..], MaxRanges);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[44..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[48..], MaxRangeSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(fields[52..], MaxRanges);
        fields[56] = 1;
    }

    public override string TypeName => "virtio-blk";

    public override ushort TypeId => 2;

    public override (byte Base, byte Sub) PciClass => (1, 0);

    public override ulong DeviceFeatures => SegmentMax | BlockSize | Flush | (_image.IsReadOnly ? ReadOnly : Discard | WriteZeroes);

    public override int ConfigurationBytes => _configuration.Length;

    public override IReadOnlyList<Register> ConfigurationRegisters { get; } =
    [
        new("capacity", 0, 8, RegisterAccess.Read, null, "in 512-byte sectors"),
        new("size_max", 8, 4, RegisterAccess.Read, 0),
        new("seg_max", 12, 4, RegisterAccess.Read),
        new("geometry", 16, 4, RegisterAccess.Read, 0),
        new("blk_size", 20, 4, RegisterAccess.Read, SectorBytes),
        new("max_discard_sectors", 36, 4, RegisterAccess.Read, MaxRangeSectors),
        new("max_discard_seg", 40, 4, RegisterAccess.Read, MaxRanges),
        new("discard_sector_alignment", 44, 4, RegisterAccess.Read, 1),
        new("max_write_zeroes_sectors", 48, 4, RegisterAccess.Read, MaxRangeSectors),
        new("max_write_zeroes_seg", 52, 4, RegisterAccess.Read, MaxRanges),
        new("write_zeroes_may_unmap", 56, 1, RegisterAccess.Read, 1),
    ];

    public override byte ReadConfiguration(int offset) => _configuration[offset];

    internal IBlockImage Image => _image;

    internal IGuestMemory GuestMemory => Memory;

    internal ReadOnlySpan<byte> Serial => _serial;

    /// <summary>For whoever carries a request out; one at a time.</summary>
    internal Span<byte> Piece => _piece;

    // A copy lies between image and guest memory: the host's read must not end in ROM, nor change while it is written.
    private readonly byte[] _piece = new byte[PieceBytes];

    public void Dispose()
    {
        _worker?.Dispose();
        _image.Dispose();
    }

    protected override bool HandleChain(int queue, Virtqueue ring)
    {
        if (_inFlight.Count + _held.Count >= QueueSize)
        {
            // A driver that makes more available than its queue holds waits for what it has.
            ring.PutBack();
            _isHeldUp = true;
            return false;
        }
        if (!_free.TryPop(out var request))
            request = new VirtioBlkRequest(this);
        request.Chain.CopyFrom(ring.Chain);
        if (_worker is null)
        {
            request.Execute();
            End(request);
        }
        else if (_inFlight.Count == 0 && _bytesNow >= (long)request.Chain.WritableBytes && request.TryExecuteNow())
        {
            // What another thread would do takes less time than to tell it. Not while that has something to do: it is at the image, and the order is the driver's.
            _bytesNow -= (long)request.Chain.WritableBytes;
            GiveBack(request);
        }
        else
        {
            _inFlight.Add(request);
            _worker.Submit(request);
        }
        return true;
    }

    protected override void OnNotified(int queue)
    {
        _bytesNow = BytesNow;
        Redo();
        Serve(queue);
    }

    internal override void OnResume()
    {
        if (_held.Count > 0 && IsLive && Queues[0].IsEnabled)
            OnNotified(0);
    }

    /// <summary>What the disk is known as to the host's user; empty: nothing.</summary>
    public string DriveId { get; init; } = "";

    /// <summary>Gives the disk another size, of which the driver is told; false where the image cannot have it. With the device lock held.</summary>
    public bool TryResize(long bytes)
    {
        if (bytes <= 0 || bytes % SectorBytes != 0)
            return false;
        _worker?.Drain();
        if (!_image.TryResize(bytes))
            return false;
        BinaryPrimitives.WriteInt64LittleEndian(_configuration, bytes / SectorBytes);
        if (IsLive)
            SignalConfiguration();
        return true;
    }

    /// <summary>Takes back what the worker has done. With the device lock held.</summary>
    public void Poll()
    {
        while (_worker?.TakeCompleted() is VirtioBlkRequest request)
        {
            _inFlight.Remove(request);
            End(request);
        }
        Signal(0);
        if (_isHeldUp && IsLive && Queues[0].IsEnabled)
        {
            _isHeldUp = false;
            _bytesNow = BytesNow;
            Serve(0);
        }
    }

    protected override void OnReset() => GiveUp();

    protected override void OnQueueReset(int queue) => GiveUp();

    public override int EntriesHeld(int queue)
    {
        var entries = 0;
        foreach (var request in _inFlight)
            entries += request.Chain.RingEntries;
        foreach (var request in _held)
            entries += request.Chain.RingEntries;
        return entries;
    }

    protected override ulong QueuesUnderWay => _inFlight.Count + _held.Count > 0 ? 1UL : 0;

    // What is under way is saved as the driver made it, and carried out again: nobody has been told yet that it was.
    protected override void SaveType(StateWriter writer)
    {
        _worker?.Drain();
        writer.UInt16((ushort)(_inFlight.Count + _held.Count));
        foreach (var request in _inFlight)
            request.Chain.Save(writer);
        foreach (var request in _held)
            request.Chain.Save(writer);
    }

    protected override void LoadType(ref StateReader reader)
    {
        var count = reader.UInt16();
        if (count > QueueSize)
            throw new StateFormatException($"virtio-blk state: {count} requests under way, where at most {QueueSize} were expected");
        for (var i = 0; i < count; i++)
        {
            var request = new VirtioBlkRequest(this);
            request.Chain.Load(ref reader);
            if (request.Chain.RingEntries == 0 || request.Chain.RingEntries > Queues[0].State.Size)
                throw new StateFormatException($"virtio-blk state: a request in {request.Chain.RingEntries} entries of a ring of {Queues[0].State.Size}");
            // Carried out once the machine goes on: its memory may not be there yet.
            _held.Add(request);
        }
    }

    // Those that fail once more are held once more, behind those that are looked at here.
    private void Redo()
    {
        var requests = _held.ToArray();
        _held.Clear();
        foreach (var request in requests)
        {
            if (_worker is null)
            {
                request.Execute();
                End(request);
            }
            else
            {
                _inFlight.Add(request);
                _worker.Submit(request);
            }
        }
    }

    // What the host could not do ends as the disk's user wants it.
    private void End(VirtioBlkRequest request)
    {
        if (request.HasHostFailed)
        {
            var action = _errors.Note(request.IsWrite);
            if (action == BlockErrorAction.Stop)
            {
                _held.Add(request);
                return;
            }
            request.EndFailed(asDone: action == BlockErrorAction.Ignore);
        }
        GiveBack(request);
    }

    private void GiveBack(VirtioBlkRequest request)
    {
        Queues[0].Push(request.Chain.Id, request.Chain.RingEntries, request.Written);
        _free.Push(request);
    }

    private void GiveUp()
    {
        _worker?.CancelAll();
        _inFlight.Clear();
        _held.Clear();
        _isHeldUp = false;
    }
}
