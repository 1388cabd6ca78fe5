using System.Buffers.Binary;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Oracles;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Devices.Pci;
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
    private readonly DmaMemory? _dma;
    private readonly PciHost? _pci;
    private readonly QueueOracle _queues;
    private readonly ReentrancyOracle _handlers = new();
    private readonly LogFloodOracle _log;
    private readonly IResettable[] _resettable;
    private readonly ISaveable[] _saveable;
    private readonly string[] _names;
    private readonly SampledLine[] _lines;
    private readonly IDisposable? _owner;
    private readonly Action? _restart;
    private readonly List<ulong> _dirty = [];
    private readonly byte[] _buffer = new byte[Operation.MaxRunBytes];
    private readonly StateWriter _writer = new();
    private readonly StateWriter[] _initial, _snapshot, _afterReset;
    private bool _hasSnapshot;
    private long _snapshotNs;

    /// <param name="clock">Null when the machine's clock cannot be moved by hand: clock steps are then left out.</param>
    /// <param name="memory">Null when the devices see no memory: runs are then left out.</param>
    /// <param name="dma">What the devices see of it; null: the memory itself.</param>
    /// <param name="owner">Disposed with the target.</param>
    /// <param name="restart">Puts back what is no device's state: a disk.</param>
    /// <param name="append">Adds operations that belong together, which no mutation of single ones would come upon.</param>
    public DeviceTarget(
        IoBus bus, IEnumerable<IDevice> devices, IReadOnlyList<SampledLine> lines, ManualClock? clock = null, GuestMemory? memory = null, IDisposable? owner = null,
        Action<FuzzRandom, List<Operation>>? append = null, Action? restart = null, DmaMemory? dma = null)
    {
        (_restart, _dma) = (restart, dma);
        (_bus, _clock, _memory, _lines, _owner) = (bus, clock, memory, [.. lines], owner);
        // Interrupt controllers last: loading a device drives its lines, which must not change what a controller has latched.
        IDevice[] all = [.. devices.OrderBy(device => device is I8259 or IoApic or LocalApic)];
        _bus.SetTap(_handlers);
        (_queues, _log) = (new QueueOracle(all), new LogFloodOracle(() => _handlers.Running));
        (_resettable, _saveable) = ([.. all.OfType<IResettable>()], [.. all.OfType<ISaveable>()]);
        _names = [.. all.Where(device => device is ISaveable).Select(device => device.Name)];
        _pci = all.OfType<PciHost>().SingleOrDefault();
        (_initial, _snapshot, _afterReset) = (NewState(), NewState(), NewState());
        ResetAll();
        Grammar = new Grammar(Grammar.From(bus, [.. (memory?.Layout ?? []).Select(ram => new Window(ram.Name, AddressSpace.Mmio, ram.GuestAddress, ram.Length, []))]).Windows)
        {
            HasDmaInput = dma is not null,
            PciRegisters = _pci is null ? [] : WritablePciRegisters(_pci),
        };
        ResetAll();
        SaveAll(_initial);
        Form = append is null ? null : new ProgramForm(Grammar, append);
    }

    public Grammar Grammar { get; }

    public IInputForm? Form { get; }

    public void Run(ReadOnlySpan<byte> input)
    {
        lock (_bus.DeviceLock)
        {
            Restart();
            _log.Enter();
            try
            {
                var reader = new ProgramBytes.Reader(input, Grammar);
                while (reader.MoveNext())
                    Apply(ref reader);
                _queues.Check();
            }
            finally
            {
                LogFloodOracle.Leave();
            }
        }
    }

    /// <summary>Runs a program from the initial state.</summary>
    /// <param name="replied">Given each operation and what it read, or null where it was left out.</param>
    public void Run(IReadOnlyList<Operation> program, Action<Operation, ulong?>? replied)
    {
        var one = new byte[ProgramBytes.MaxOperationBytes];
        lock (_bus.DeviceLock)
        {
            Restart();
            foreach (var operation in program)
            {
                var reply = ApplyAlone(in operation, one);
                replied?.Invoke(operation, reply);
            }
            _queues.Check();
        }
    }

    public void Dispose() => _owner?.Dispose();

    private void Restart()
    {
        _handlers.Restart();
        _log.Restart();
        _hasSnapshot = false;
        _clock?.Set(0);
        _restart?.Invoke();
        LoadAll(_initial);
        foreach (var line in _lines)
            line.Set(false);
        if (_memory is null)
            return;
        _dma?.Restart();
        _dirty.Clear();
        _memory.CollectDirtyPages(_dirty);
        if (_dirty.Count == 0)
            return;
        // Not noted as written: no CPU has cached what is there.
        foreach (var page in _dirty)
            _memory.GetSpan(page, GuestRam.PageSize).Clear();
    }

    // What is done with the reply is not the devices' doing.
    private ulong? ApplyAlone(in Operation operation, byte[] buffer)
    {
        var reader = new ProgramBytes.Reader(buffer.AsSpan(0, ProgramBytes.Encode(in operation, Grammar, buffer)), Grammar);
        reader.MoveNext();
        _log.Enter();
        try
        {
            return Apply(ref reader);
        }
        finally
        {
            LogFloodOracle.Leave();
        }
    }

    // Null where it is left out.
    private ulong? Apply(ref ProgramBytes.Reader operation)
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
                BinaryPrimitives.WriteUInt64LittleEndian(_buffer, 0);
                return _memory is not null && _memory.TryRead(address, _buffer.AsSpan(0, operation.Size))
                    ? BinaryPrimitives.ReadUInt64LittleEndian(_buffer)
                    : _bus.ReadMmio(address, operation.Size);
            case OperationKind.Write:
                BinaryPrimitives.WriteUInt64LittleEndian(_buffer, operation.Value);
                if (_memory is null || !TryWrite(_memory, address, _buffer.AsSpan(0, operation.Size)))
                    _bus.WriteMmio(address, operation.Size, operation.Value);
                return 0;
            case OperationKind.ClockStep:
                if (_clock is null)
                    return null;
                _handlers.EnterTimers();
                _clock.Advance((long)operation.Value);
                _handlers.Leave();
                return 0;
            case OperationKind.Fill or OperationKind.WriteMemory or OperationKind.ReadMemory:
                return _memory is not null && ApplyToMemory(_memory, ref operation) ? 0 : null;
            case OperationKind.DmaInput:
                _dma?.Lay(operation.Data);
                return _dma is null ? null : 0;
            case OperationKind.PciRead or OperationKind.PciWrite:
                return ApplyToPci(ref operation);
            default:
                return ApplyToMachine(operation.Kind);
        }
    }

    private ulong ApplyToPci(ref ProgramBytes.Reader operation)
    {
        var data = (ushort)(Operation.PciData + (operation.Address & 3));
        _bus.WritePort(Operation.PciSelector, 4, Operation.PciEnable | (uint)operation.Address & ~3U);
        if (operation.Kind == OperationKind.PciRead)
            return _bus.ReadPort(data, operation.Size);
        _bus.WritePort(data, operation.Size, (uint)operation.Value);
        if (_pci?.Find(0, (int)operation.Address >> 8) is { } function)
            BarOracle.Check(_bus, function, (int)operation.Address & byte.MaxValue);
        return 0;
    }

    private bool TryWrite(GuestMemory memory, ulong address, ReadOnlySpan<byte> bytes)
    {
        if (!memory.TryWrite(address, bytes))
            return false;
        _dma?.NoteWritten(address, (ulong)bytes.Length);
        return true;
    }

    private bool ApplyToMemory(GuestMemory memory, ref ProgramBytes.Reader operation)
    {
        var run = _buffer.AsSpan(0, operation.Size);
        switch (operation.Kind)
        {
            case OperationKind.Fill:
                run.Fill((byte)operation.Value);
                return TryWrite(memory, operation.Address, run);
            case OperationKind.WriteMemory:
                return TryWrite(memory, operation.Address, operation.Data);
            default:
                return memory.TryRead(operation.Address, run);
        }
    }

    private ulong ApplyToMachine(OperationKind kind)
    {
        switch (kind)
        {
            case OperationKind.SampleInterrupts:
                ulong levels = 0;
                for (var i = 0; i < _lines.Length; i++)
                    levels |= _lines[i].Level ? 1UL << (i & 63) : 0;
                return levels;
            case OperationKind.Reset:
                _handlers.EnterReset();
                ResetAll();
                _queues.Check();
                SaveAll(_afterReset);
                ResetAll();
                _handlers.Leave();
                Compare("reset", _afterReset, "a second reset leaves another state than the first");
                return 0;
            case OperationKind.Snapshot:
                SaveAll(_snapshot);
                (_hasSnapshot, _snapshotNs) = (true, _clock?.NowNs ?? 0);
                return 0;
            default:
                if (!_hasSnapshot)
                    return 0;
                _clock?.Set(_snapshotNs);
                LoadAll(_snapshot);
                Compare("snapshot", _snapshot, "what was restored does not save as it was saved");
                return 0;
        }
    }

    // Those that read otherwise once all their bits were turned.
    private static List<(int Function, int Register)> WritablePciRegisters(PciHost host)
    {
        const int RegisterBytes = 4;
        var registers = new List<(int, int)>();
        foreach (var (slot, function, config) in host.Functions)
        {
            for (var register = 0; register <= byte.MaxValue; register += RegisterBytes)
            {
                var before = config.Read(register, RegisterBytes);
                config.Write(register, RegisterBytes, ~before);
                if (config.Read(register, RegisterBytes) != before)
                    registers.Add((slot << 3 | function, register));
                config.Write(register, RegisterBytes, before);
            }
        }
        return registers;
    }

    private StateWriter[] NewState() => [.. _saveable.Select(_ => new StateWriter())];

    private void ResetAll()
    {
        foreach (var device in _resettable)
            device.Reset();
    }

    private void SaveAll(StateWriter[] states)
    {
        for (var i = 0; i < states.Length; i++)
        {
            states[i].Clear();
            _saveable[i].Save(states[i]);
        }
    }

    private void LoadAll(StateWriter[] states)
    {
        for (var i = 0; i < states.Length; i++)
        {
            var reader = new StateReader(states[i].Written);
            _saveable[i].Load(ref reader);
        }
    }

    private void Compare(string rule, StateWriter[] expected, string message)
    {
        for (var i = 0; i < expected.Length; i++)
        {
            _writer.Clear();
            _saveable[i].Save(_writer);
            if (_writer.Written.SequenceEqual(expected[i].Written))
                continue;
            var at = _writer.Written.CommonPrefixLength(expected[i].Written);
            throw new OracleException($"{rule} {_names[i]}", $"{_names[i]}: {message}, from byte {at} of {expected[i].Length} on");
        }
    }
}

/// <summary>An interrupt line whose level a program can sample.</summary>
public sealed class SampledLine : IIrqLine
{
    public bool Level { get; private set; }

    public void Set(bool level) => Level = level;
}
