using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Virtio;

/// <summary>Where a virtqueue's three areas are, and how far device and driver got: all of its state.</summary>
internal struct VirtqueueState
{
    /// <summary>Entries. A power of two for a split ring.</summary>
    public ushort Size;

    /// <summary>Descriptor area; driver area (available ring, driver event suppression); device area (used ring, device event suppression).</summary>
    public ulong Descriptors, Driver, Device;

    public bool Enabled;

    /// <summary>Split: next index in the available ring, free running. Packed: next slot.</summary>
    public ushort Available;

    /// <summary>Split: next index in the used ring, free running. Packed: next slot to be written back.</summary>
    public ushort Used;

    /// <summary><see cref="Used"/> when the driver's wish for an interrupt was last looked at.</summary>
    public ushort SignalledUsed;

    /// <summary>Packed: ring wrap counters, 1 at the start (2.8.1).</summary>
    public bool AvailableWrap, UsedWrap;

    /// <summary>Packed: entries written since the wish was last looked at, at most the queue size and one.</summary>
    public ushort Unsignalled;
}

/// <summary>Who wants to know what happens to the chains of a virtqueue. Called with the machine's device lock held.</summary>
public interface IVirtqueueWatcher
{
    /// <summary>The device took a chain. One that it cannot serve yet, and puts back, is taken again later.</summary>
    void OnPopped(ushort id);

    /// <summary>The device gave a chain back.</summary>
    void OnPushed(ushort id, uint written);

    /// <summary>What was taken is void.</summary>
    void OnReset();
}

/// <summary>How far a device has taken chains from a queue.</summary>
internal readonly record struct VirtqueuePosition(ushort Available, bool AvailableWrap);

/// <summary>
/// One virtqueue as a device uses it: takes chains, gives them back, and knows when the driver is to be told. Whatever a driver writes into a ring,
/// each call does work bounded by the queue size.
/// </summary>
/// <remarks>VIRTIO 1.2, 2.6 to 2.8, 2.7.7 and 2.8.10 (notification suppression). A queue that was found broken gives no more chains until it is reset.</remarks>
public sealed class Virtqueue
{
    private readonly IGuestMemory _memory;
    private readonly SplitRing _split;
    private readonly PackedRing _packed;
    private VirtqueueState _state;
    private VirtqueuePosition _last;
    private bool _isPacked, _eventIndex;

    /// <param name="maxSize">Entries, a power of two from 1 to 32768.</param>
    public Virtqueue(IGuestMemory memory, ushort maxSize)
    {
        (_memory, MaxSize) = (memory, maxSize);
        Chain = new DescriptorChain(maxSize);
        _split = new SplitRing(this);
        _packed = new PackedRing(this);
        Reset();
    }

    public ushort MaxSize { get; }

    /// <summary>What <see cref="TryPop"/> filled last.</summary>
    public DescriptorChain Chain { get; }

    /// <summary>The driver broke the ring's rules; nothing more comes from it.</summary>
    public bool IsBroken { get; private set; }

    public bool IsEnabled => _state.Enabled;

    /// <summary>Told of every chain; null: nobody.</summary>
    public IVirtqueueWatcher? Watcher { get; set; }

    /// <summary>
    /// Entries of the ring, one for each chain of a split ring, that were taken and not given back, by how far both got; another number than those of chains that the device
    /// has when one was lost, or given back twice. Of a broken queue it tells nothing.
    /// </summary>
    public int EntriesUnderWay => _isPacked
        ? _state.Available - _state.Used + (_state.AvailableWrap != _state.UsedWrap ? _state.Size : 0)
        : (short)(_state.Available - _state.Used);

    internal ref VirtqueueState State => ref _state;

    internal IGuestMemory Memory => _memory;

    private IVirtqueueRing Ring => _isPacked ? _packed : _split;

    /// <summary>Sets the ring's form once features are negotiated.</summary>
    internal void SetFormat(bool packed, bool eventIndex) => (_isPacked, _eventIndex) = (packed, eventIndex);

    /// <summary>Starts the queue; false when its size is not one that the ring's form can have.</summary>
    internal bool TryEnable()
    {
        if (_state.Size == 0 || _state.Size > MaxSize || (!_isPacked && (_state.Size & (_state.Size - 1)) != 0))
            return false;
        _state.Enabled = true;
        return true;
    }

    /// <summary>To where it was before the driver set it up.</summary>
    internal void Reset()
    {
        _state = new VirtqueueState { Size = MaxSize, AvailableWrap = true, UsedWrap = true };
        IsBroken = false;
        Watcher?.OnReset();
    }

    /// <summary>Takes the next chain into <see cref="Chain"/>; false when there is none, or the ring is broken.</summary>
    public bool TryPop()
    {
        if (!_state.Enabled || IsBroken)
            return false;
        _last = Position;
        var result = Ring.TryPop(Chain);
        IsBroken = result == RingResult.Broken;
        if (result == RingResult.Chain)
            Watcher?.OnPopped(Chain.Id);
        return result == RingResult.Chain;
    }

    /// <summary>Gives <see cref="Chain"/> back.</summary>
    /// <param name="written">Bytes written to its writable part, from the start.</param>
    public void Push(uint written) => Push(Chain.Id, Chain.RingEntries, written);

    /// <summary>Gives a chain back that was taken earlier.</summary>
    internal void Push(ushort id, int ringEntries, uint written) => Push([new UsedChain(id, ringEntries, written)]);

    /// <summary>Gives chains back, of which the driver sees all or none yet.</summary>
    internal void Push(ReadOnlySpan<UsedChain> chains)
    {
        if (_state.Enabled && !IsBroken && chains.Length > 0)
            IsBroken = !Ring.TryPush(chains);
        if (Watcher is not null)
        {
            foreach (var chain in chains)
                Watcher.OnPushed(chain.Id, chain.Written);
        }
    }

    /// <summary>The chain that was taken last was not: it comes again.</summary>
    internal void PutBack() => Rewind(_last);

    /// <summary>Where the next chain comes from, for <see cref="Rewind"/>.</summary>
    internal VirtqueuePosition Position => new(_state.Available, _state.AvailableWrap);

    /// <summary>Chains taken since then were not: they come again.</summary>
    internal void Rewind(VirtqueuePosition position) => (_state.Available, _state.AvailableWrap) = (position.Available, position.AvailableWrap);

    /// <summary>Whether the driver wants an interrupt for what was pushed since the last call.</summary>
    public bool TakeInterruptWish() => _state.Enabled && !IsBroken && Ring.TakeInterruptWish(_eventIndex);

    /// <summary>Tells the driver that notifications are wanted or not. After asking for them look once more: the driver may have been faster.</summary>
    public void SetNotification(bool wanted)
    {
        if (_state.Enabled && !IsBroken)
            IsBroken = !Ring.TrySetNotification(wanted, _eventIndex);
    }

    internal void Save(StateWriter writer)
    {
        writer.UInt16(_state.Size);
        writer.UInt64(_state.Descriptors);
        writer.UInt64(_state.Driver);
        writer.UInt64(_state.Device);
        writer.Bool(_state.Enabled);
        writer.UInt16(_state.Available);
        writer.UInt16(_state.Used);
        writer.UInt16(_state.SignalledUsed);
        writer.Bool(_state.AvailableWrap);
        writer.Bool(_state.UsedWrap);
        writer.UInt16(_state.Unsignalled);
        writer.Bool(IsBroken);
    }

    internal void Load(ref StateReader reader)
    {
        _state.Size = reader.UInt16();
        _state.Descriptors = reader.UInt64();
        _state.Driver = reader.UInt64();
        _state.Device = reader.UInt64();
        _state.Enabled = reader.Bool();
        _state.Available = reader.UInt16();
        _state.Used = reader.UInt16();
        _state.SignalledUsed = reader.UInt16();
        _state.AvailableWrap = reader.Bool();
        _state.UsedWrap = reader.Bool();
        _state.Unsignalled = reader.UInt16();
        IsBroken = reader.Bool();
        // What could not have been saved: a queue that runs with an impossible size, a packed position outside the ring.
        if (_state.Enabled && !TryEnable())
            throw new StateFormatException($"virtqueue state: a size of {_state.Size}, where at most {MaxSize} were expected");
        if (_isPacked && _state.Enabled && (_state.Available >= _state.Size || _state.Used >= _state.Size))
            throw new StateFormatException($"virtqueue state: position {_state.Available} or {_state.Used} outside a ring of {_state.Size}");
    }
}
