using Gauntlet.Fuzz.Oracles;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Fuzz.Targets;

/// <summary>
/// Devices on a bus, driven by device programs. Between programs they are put back by loading the state that they were saved in when new: a few hundred
/// nanoseconds, and a load that forgets something shows as an unstable target.
/// </summary>
public sealed class DeviceTarget : IFuzzTarget
{
    private readonly IoBus _bus;
    private readonly ManualClock? _clock;
    private readonly GuestMemory? _memory;
    private readonly IDevice[] _devices;
    private readonly IReadOnlyList<SampledLine> _lines;
    private readonly IDisposable? _owner;
    private readonly List<Operation> _program = [];
    private readonly List<ulong> _dirty = [];
    private readonly byte[] _buffer = new byte[Operation.MaxRunBytes];
    private readonly StateWriter _writer = new();
    private readonly byte[][] _initial;
    private byte[][]? _snapshot;
    private long _snapshotNs;

    /// <param name="clock">Null when the machine's clock cannot be moved by hand: clock steps are then left out.</param>
    /// <param name="memory">Null when the devices see no memory: runs are then left out.</param>
    /// <param name="owner">Disposed with the target.</param>
    public DeviceTarget(
        IoBus bus, IEnumerable<IDevice> devices, IReadOnlyList<SampledLine> lines, ManualClock? clock = null, GuestMemory? memory = null, IDisposable? owner = null)
    {
        (_bus, _clock, _memory, _lines, _owner) = (bus, clock, memory, lines, owner);
        _devices = [.. devices];
        foreach (var device in _devices)
            (device as IResettable)?.Reset();
        Grammar = memory is null
            ? Grammar.From(bus)
            : Grammar.From(bus, [.. memory.Layout.Select(ram => new Window(ram.Name, AddressSpace.Mmio, ram.GuestAddress, ram.Length, []))]);
        _initial = SaveAll();
    }

    public Grammar Grammar { get; }

    public void Run(ReadOnlySpan<byte> input)
    {
        ProgramBytes.Decode(input, Grammar, _program);
        Run(_program, null);
    }

    /// <summary>Runs a program from the initial state.</summary>
    /// <param name="replied">Given each operation and what it read, or null where it was left out.</param>
    public void Run(IReadOnlyList<Operation> program, Action<Operation, ulong?>? replied)
    {
        lock (_bus.DeviceLock)
        {
            Restart();
            foreach (var operation in program)
            {
                var reply = Apply(in operation);
                replied?.Invoke(operation, reply);
            }
        }
    }

    public void Dispose() => _owner?.Dispose();

    private void Restart()
    {
        _snapshot = null;
        _clock?.Set(0);
        LoadAll(_initial);
        foreach (var line in _lines)
            line.Set(false);
        if (_memory is null)
            return;
        _dirty.Clear();
        _memory.CollectDirtyPages(_dirty);
        foreach (var page in _dirty)
            _memory.TryClear(page, GuestRam.PageSize);
        // Clearing them was writing them.
        _memory.CollectDirtyPages(_dirty);
    }

    private ulong? Apply(in Operation operation)
    {
        var address = operation.Address;
        switch (operation.Kind)
        {
            case OperationKind.Read when operation.Space == AddressSpace.Port:
                return _bus.ReadPort((ushort)address, operation.Size);
            case OperationKind.Write when operation.Space == AddressSpace.Port:
                _bus.WritePort((ushort)address, operation.Size, (uint)operation.Value);
                return 0;
            case OperationKind.Read:
                var word = _buffer.AsSpan(0, operation.Size);
                if (_memory is null || !_memory.TryRead(address, word))
                    return _bus.ReadMmio(address, operation.Size);
                ulong value = 0;
                for (var i = operation.Size - 1; i >= 0; i--)
                    value = value << 8 | word[i];
                return value;
            case OperationKind.Write:
                if (_memory is null || !_memory.TryWrite(address, operation.LittleEndianValue()))
                    _bus.WriteMmio(address, operation.Size, operation.Value);
                return 0;
            case OperationKind.Fill:
                _buffer.AsSpan(0, operation.Size).Fill((byte)operation.Value);
                return _memory is not null && _memory.TryWrite(address, _buffer.AsSpan(0, operation.Size)) ? 0 : null;
            case OperationKind.WriteMemory:
                return _memory is not null && _memory.TryWrite(address, operation.Data) ? 0 : null;
            case OperationKind.ReadMemory:
                return _memory is not null && _memory.TryRead(address, _buffer.AsSpan(0, operation.Size)) ? 0 : null;
            case OperationKind.ClockStep:
                _clock?.Advance((long)operation.Value);
                return _clock is null ? null : 0;
            default:
                return ApplyToMachine(operation.Kind);
        }
    }

    private ulong ApplyToMachine(OperationKind kind)
    {
        switch (kind)
        {
            case OperationKind.SampleInterrupts:
                ulong levels = 0;
                for (var i = 0; i < _lines.Count; i++)
                    levels |= _lines[i].Level ? 1UL << (i & 63) : 0;
                return levels;
            case OperationKind.Reset:
                ResetAll();
                var once = SaveAll();
                ResetAll();
                Compare("reset", once, "a second reset leaves another state than the first");
                return 0;
            case OperationKind.Snapshot:
                _snapshot = SaveAll();
                _snapshotNs = _clock?.NowNs ?? 0;
                return 0;
            default:
                if (_snapshot is null)
                    return 0;
                _clock?.Set(_snapshotNs);
                LoadAll(_snapshot);
                Compare("snapshot", _snapshot, "what was restored does not save as it was saved");
                return 0;
        }
    }

    private void ResetAll()
    {
        foreach (var device in _devices)
            (device as IResettable)?.Reset();
    }

    private byte[][] SaveAll()
    {
        var states = new byte[_devices.Length][];
        for (var i = 0; i < states.Length; i++)
        {
            _writer.Clear();
            (_devices[i] as ISaveable)?.Save(_writer);
            states[i] = _writer.Written.ToArray();
        }
        return states;
    }

    private void LoadAll(byte[][] states)
    {
        for (var i = 0; i < states.Length; i++)
        {
            if (_devices[i] is not ISaveable saveable)
                continue;
            var reader = new StateReader(states[i]);
            saveable.Load(ref reader);
        }
    }

    private void Compare(string rule, byte[][] expected, string message)
    {
        for (var i = 0; i < expected.Length; i++)
        {
            if (_devices[i] is not ISaveable saveable)
                continue;
            _writer.Clear();
            saveable.Save(_writer);
            if (_writer.Written.SequenceEqual(expected[i]))
                continue;
            var at = _writer.Written.CommonPrefixLength(expected[i]);
            throw new OracleException($"{rule} {_devices[i].Name}", $"{_devices[i].Name}: {message}, from byte {at} of {expected[i].Length} on");
        }
    }
}

/// <summary>An interrupt line whose level a program can sample.</summary>
public sealed class SampledLine : IIrqLine
{
    public bool Level { get; private set; }

    public void Set(bool level) => Level = level;
}
