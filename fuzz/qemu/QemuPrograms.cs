using System.Buffers.Binary;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>
/// Makes device programs for a QEMU device: accesses to its registers and its configuration space, structures in guest memory, and pointers to them, as QEMU's own
/// generic fuzzer lays patterns where the device reads. Where a region is a virtio transport's, whole queues are built.
/// </summary>
public sealed class QemuPrograms
{
    /// <summary>Longest program, without what sets the device up.</summary>
    public const int MaxOperations = 192;

    /// <summary>Where structures for the device lie: zero before each program.</summary>
    public const ulong Arena = 0x100000;

    public const int ArenaBytes = 0x10000;

    // Memory that no device is pointed to. A long write of it takes a millisecond or two, in pieces between which timers and bottom halves run.
    private const ulong IdleMemory = 0x1000000;
    private const int IdleBytes = 0x8000;

    private const int SlotBytes = 0x1000, MostStructureBytes = 128, PatternStep = 8, MostPatternBytes = 64;

    private static readonly ulong[] Interesting =
        [0, 1, 2, 3, 4, 7, 8, 0xf, 0x10, 0x18, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xff, 0x100, 0x200, 0x7ff, 0x800, 0xfff, 0x1000, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff];

    private readonly FuzzRandom _random;
    private readonly QemuDevice _device;
    private readonly VirtioQueues? _virtio;
    private readonly IReadOnlyList<PciCapability> _interrupting;

    public QemuPrograms(FuzzRandom random, QemuDevice device)
    {
        (_random, _device) = (random, device);
        _interrupting = [.. device.Capabilities.Where(capability => capability.Id is PciCapability.Msi or PciCapability.MsiX)];
        _virtio = VirtioQueues.For(device, this, random);
    }

    public List<Operation> New()
    {
        var program = new List<Operation>();
        for (var left = 4 + _random.Below(28); left > 0; left--)
            Append(program);
        return program;
    }

    /// <summary>A few changes to a copy.</summary>
    public List<Operation> Mutate(IReadOnlyList<Operation> program, IReadOnlyList<Operation> other)
    {
        List<Operation> made = [.. program];
        for (var left = 1 + _random.Below(5); left > 0; left--)
        {
            var at = _random.Below(made.Count + 1);
            switch (_random.Below(11))
            {
                case 10 when _device.Capabilities.Count > 0:
                    List<Operation> set = [];
                    SetCapability(set);
                    made.InsertRange(at, set);
                    break;
                case 0 or 1 or 2:
                    var added = new List<Operation>();
                    for (var more = 1 + _random.Below(4); more > 0; more--)
                        Append(added);
                    made.InsertRange(at, added);
                    break;
                case 3 when at < made.Count:
                    made.RemoveRange(at, Math.Min(1 + _random.Below(3), made.Count - at));
                    break;
                case 4 when at < made.Count:
                    made.InsertRange(at, made.GetRange(at, Math.Min(1 + _random.Below(6), made.Count - at)));
                    break;
                case 5 when at < made.Count:
                    var with = _random.Below(made.Count);
                    (made[at], made[with]) = (made[with], made[at]);
                    break;
                case 6 or 7 when at < made.Count:
                    made[at] = Tweak(made[at]);
                    break;
                case 8:
                    var from = _random.Below(other.Count + 1);
                    made.InsertRange(at, other.Skip(from).Take(1 + _random.Below(16)));
                    break;
                default:
                    Append(made);
                    break;
            }
        }
        if (made.Count > MaxOperations)
            made.RemoveRange(MaxOperations, made.Count - MaxOperations);
        return made;
    }

    /// <summary>Lets some time pass, as there is no command for it on most QEMUs.</summary>
    internal static Operation Pause => Operation.Pattern(IdleMemory, IdleBytes, [0]);

    /// <summary>A value for a register or a field of this many bytes.</summary>
    internal ulong Value(int size) => Operation.MaskOf(size) & _random.Below(16) switch
    {
        < 5 when size >= 4 => Pointer(),
        < 8 => (ulong)_random.Below(256),
        < 10 => 1UL << _random.Below(size * 8),
        10 => 1UL << _random.Below(size * 8) | 1UL << _random.Below(size * 8),
        11 => ulong.MaxValue << _random.Below(size * 8),
        < 14 => Interesting[_random.Below(Interesting.Length)],
        _ => _random.Next(),
    };

    /// <summary>To a structure.</summary>
    internal ulong Pointer() =>
        Arena + (ulong)_random.Below(8) * SlotBytes + (_random.OneIn(3) ? (ulong)_random.Below(64) * 16 : 0) + (_random.OneIn(24) ? (ulong)_random.Below(16) : 0);

    /// <summary>Words that a device may take for descriptors: pointers, lengths, flags.</summary>
    internal Operation Structure(ulong at)
    {
        Span<byte> bytes = stackalloc byte[MostStructureBytes];
        var length = 8 * (1 + _random.Below(MostStructureBytes / 8));
        var word = _random.OneIn(3) ? 8 : _random.OneIn(4) ? 2 : 4;
        for (var i = 0; i < length; i += word)
        {
            var value = Value(word);
            for (var b = 0; b < word; b++)
                bytes[i + b] = (byte)(value >> (8 * b));
        }
        return Operation.WriteMemory(at, bytes[..length]);
    }

    /// <summary>A descriptor, again and again: wherever a device takes its ring to be in the run, there is one.</summary>
    private Operation Pattern()
    {
        var word = _random.OneIn(3) ? 8 : 4;
        Span<byte> bytes = stackalloc byte[MostPatternBytes];
        var length = PatternStep << _random.Below(4);
        for (var i = 0; i < length; i += word)
        {
            var value = Value(word);
            for (var b = 0; b < word; b++)
                bytes[i + b] = (byte)(value >> (8 * b));
        }
        return Operation.Pattern(Arena + (ulong)_random.Below(8) * SlotBytes, 0x100 << _random.Below(5), bytes[..length]);
    }

    private void Append(List<Operation> program)
    {
        switch (_random.Below(16))
        {
            case < 3:
                program.Add(Structure(Pointer()));
                break;
            case 3:
                program.Add(Pattern());
                break;
            case 4 when _device.Capabilities.Count > 0 && _random.OneIn(2):
                SetCapability(program);
                break;
            case 4 when _device.Functions.Count > 0:
                program.Add(ConfigAccess());
                break;
            case 7 when _random.OneIn(6):
                program.Add(Pause);
                break;
            case 5 or 6 when _virtio is not null:
                _virtio.Append(program);
                break;
            default:
                if (_device.Windows.Count > 0)
                    program.Add(Access());
                else
                    program.Add(Structure(Pointer()));
                break;
        }
    }

    // How a function interrupts, how much power it has, its own reset: drivers change them when nothing is under way, others need not (PCI Local Bus Specification 3.0,
    // 6.8; PCI Bus Power Management 1.2, 3.2; PCI Express Base Specification 2.0, 7.8.4).
    private void SetCapability(List<Operation> program)
    {
        // What is under way when it changes is what matters: mostly interrupts.
        var some = _interrupting.Count > 0 && !_random.OneIn(3) ? _interrupting : _device.Capabilities;
        var capability = some[_random.Below(some.Count)];
        const int FunctionReset = 0x8000, MsiXEnable = 0x8000, MsiXMask = 0x4000;
        (int Register, int Value) set = capability.Id switch
        {
            PciCapability.PowerManagement => (4, _random.Below(4)),
            PciCapability.Msi => (2, _random.Below(2) | (_random.OneIn(4) ? _random.Below(8) << 4 : 0)),
            PciCapability.MsiX => (2, _random.OneIn(2) ? MsiXEnable : _random.OneIn(4) ? MsiXEnable | MsiXMask : 0),
            PciCapability.Express when _random.OneIn(2) => (8, FunctionReset),
            _ => (2 + 2 * _random.Below(8), (int)Value(2)),
        };
        program.Add(Operation.PciWrite(capability.Function, Math.Min(capability.Offset + set.Register, 0xfe), 2, (ulong)set.Value));
    }

    // Of the registers that the function tells of, or anywhere.
    private Operation ConfigAccess()
    {
        const int Enabled = 6;
        var register = _device.Registers.Count > 0 && !_random.OneIn(4)
            ? _device.Registers[_random.Below(_device.Registers.Count)]
            : new PciRegister(_device.Functions[_random.Below(_device.Functions.Count)], 4 * _random.Below(64), 4);
        // Its BARs stay, mostly: elsewhere nothing would reach it.
        if (_random.OneIn(5) || (register.IsBar && !_random.OneIn(4)))
            return Operation.PciRead(register.Function, register.Offset, register.Size);
        var value = Value(register.Size);
        return Operation.PciWrite(register.Function, register.Offset, register.Size, register.Offset == PciRegister.Command ? Enabled | value : value);
    }

    private Operation Access()
    {
        var window = _device.Windows[_random.Below(_device.Windows.Count)];
        // Registers are at the front of a region, memory behind it.
        var reach = (ulong)(_random.Below(8) switch { < 4 => 0x100, < 6 => 0x1000, 6 => 0x10000, _ => int.MaxValue });
        var offset = (ulong)_random.Below((int)Math.Min(Math.Min(window.Length, reach), int.MaxValue));
        var size = window.Space == AddressSpace.Port ? 1 << _random.Below(3) : _random.Below(8) switch { 0 => 1, 1 => 2, 2 => 8, _ => 4 };
        if (!_random.OneIn(16))
            offset &= ~((ulong)size - 1);
        return _random.OneIn(4)
            ? Operation.Read(window.Space, window.Base + offset, size)
            : Operation.Write(window.Space, window.Base + offset, size, Value(size));
    }

    private Operation Tweak(in Operation operation)
    {
        switch (operation.Kind)
        {
            case OperationKind.PciWrite when _random.OneIn(4):
                return Operation.PciWrite((int)operation.Address >> 8, Neighbour((int)operation.Address & byte.MaxValue, operation.Size), operation.Size, operation.Value);
            case OperationKind.PciWrite:
                return Operation.PciWrite((int)operation.Address >> 8, (int)operation.Address & byte.MaxValue, operation.Size, OtherValue(operation));
            // Of programs that were kept before configuration accesses were operations of their own.
            case OperationKind.Write when operation.Address is Operation.PciSelector && operation.Space == AddressSpace.Port:
                return operation;
            case OperationKind.Write when _random.OneIn(4):
                var step = (ulong)(operation.Size * (1 + _random.Below(4)));
                var to = _random.OneIn(2) ? operation.Address + step : operation.Address - step;
                return operation.Space == AddressSpace.Port && to > ushort.MaxValue ? operation : Operation.Write(operation.Space, to, operation.Size, operation.Value);
            case OperationKind.Write:
                return Operation.Write(operation.Space, operation.Address, operation.Size, OtherValue(operation));
            case OperationKind.WriteMemory or OperationKind.Pattern:
                var data = (byte[])operation.Data.Clone();
                var size = Math.Min(1 << _random.Below(4), data.Length);
                var place = _random.Below(data.Length / size) * size;
                if (_random.OneIn(2))
                {
                    // A bit of a flag, or one more or less.
                    data[place] = _random.OneIn(2) ? (byte)(data[place] ^ 1 << _random.Below(8)) : (byte)(data[place] + (_random.OneIn(2) ? 1 : -1));
                }
                else
                {
                    Span<byte> word = stackalloc byte[8];
                    BinaryPrimitives.WriteUInt64LittleEndian(word, Value(size));
                    word[..size].CopyTo(data.AsSpan(place));
                }
                return operation.Kind == OperationKind.Pattern ? Operation.Pattern(operation.Address, operation.Size, data) : Operation.WriteMemory(operation.Address, data);
            default:
                return operation;
        }
    }

    private ulong OtherValue(in Operation write) => _random.OneIn(2) ? Value(write.Size) : write.Value ^ 1UL << _random.Below(write.Size * 8);

    // Some steps before or behind a register, in a space of 256 bytes.
    private int Neighbour(int register, int size)
    {
        var step = size * (1 + _random.Below(4));
        return (_random.OneIn(2) ? register + step : register - step) & byte.MaxValue;
    }
}
