using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Programs;

/// <summary>What one step of a device program does.</summary>
public enum OperationKind : byte
{
    /// <summary>Reads 1, 2 or 4 bytes from a port, or 1, 2, 4 or 8 from memory space: a register or RAM, whichever is there.</summary>
    Read,

    /// <summary>Writes as many.</summary>
    Write,

    /// <summary>Sets a run of memory to one byte.</summary>
    Fill,

    /// <summary>Writes a run of bytes to memory.</summary>
    WriteMemory,

    /// <summary>Reads a run of bytes from memory.</summary>
    ReadMemory,

    /// <summary>Lets virtual time pass.</summary>
    ClockStep,

    /// <summary>Notes the level of every interrupt line.</summary>
    SampleInterrupts,

    /// <summary>RESET to every device.</summary>
    Reset,

    /// <summary>Saves the state of every device.</summary>
    Snapshot,

    /// <summary>Puts back what the last snapshot saved; nothing without one.</summary>
    Restore,

    /// <summary>Lays bytes ready for a device that reads memory which the program did not write: it finds these there, in order, and zeros behind them.</summary>
    DmaInput,

    /// <summary>Reads 1, 2 or 4 bytes of the configuration space of a PCI function on bus 0.</summary>
    PciRead,

    /// <summary>Writes as many.</summary>
    PciWrite,

    /// <summary>Fills a run of memory with some bytes again and again: what a device finds wherever it follows a pointer into the run. Its byte form is that of the writes it stands for.</summary>
    Pattern,
}

/// <summary>One step of a device program. Made only by its factory methods, which check every range.</summary>
public readonly record struct Operation
{
    /// <summary>Most bytes of one <see cref="OperationKind.WriteMemory"/> or <see cref="OperationKind.DmaInput"/>, and of those that a <see cref="OperationKind.Pattern"/> repeats.</summary>
    public const int MaxDataBytes = 256;

    /// <summary>Most bytes of one <see cref="OperationKind.Fill"/>, <see cref="OperationKind.ReadMemory"/> or <see cref="OperationKind.Pattern"/>.</summary>
    public const int MaxRunBytes = 65_536;

    /// <summary>Longest step of the clock: 2^53 - 1 ns, a hundred days.</summary>
    public const ulong MaxClockStepNs = (1UL << 53) - 1;

    /// <summary>Ports of configuration mechanism #1, and the selector's bit 31.</summary>
    internal const ushort PciSelector = 0xcf8, PciData = 0xcfc;

    internal const uint PciEnable = 0x80000000;

    private Operation(OperationKind kind, AddressSpace space = AddressSpace.Mmio, int size = 0, ulong address = 0, ulong value = 0, byte[]? data = null) =>
        (Kind, Space, Size, Address, Value, Data) = (kind, space, size, address, value, data ?? []);

    public OperationKind Kind { get; }

    /// <summary>Of reads and writes; runs are always in memory.</summary>
    public AddressSpace Space { get; }

    /// <summary>In bytes, of an access or a run.</summary>
    public int Size { get; }

    /// <summary>A port, or guest-physical; of a configuration access the device in bits 15 to 11, the function in bits 10 to 8 and the register below.</summary>
    public ulong Address { get; }

    /// <summary>Of a write, the byte of a fill, or nanoseconds of a clock step.</summary>
    public ulong Value { get; }

    /// <summary>Of a memory write, of what is laid ready, or what a pattern repeats; never changed.</summary>
    public byte[] Data { get; }

    public static Operation Read(AddressSpace space, ulong address, int size) =>
        new(OperationKind.Read, space, CheckSize(space, size), CheckAddress(space, address));

    /// <param name="value">The low <paramref name="size"/> bytes count.</param>
    public static Operation Write(AddressSpace space, ulong address, int size, ulong value) =>
        new(OperationKind.Write, space, CheckSize(space, size), CheckAddress(space, address), value & MaskOf(size));

    /// <param name="length">1 to <see cref="MaxRunBytes"/>.</param>
    public static Operation Fill(ulong address, int length, byte value) =>
        new(OperationKind.Fill, size: CheckLength(length, MaxRunBytes), address: address, value: value);

    /// <param name="data">1 to <see cref="MaxDataBytes"/> bytes.</param>
    public static Operation WriteMemory(ulong address, ReadOnlySpan<byte> data) =>
        new(OperationKind.WriteMemory, size: CheckLength(data.Length, MaxDataBytes), address: address, data: data.ToArray());

    /// <param name="length">1 to <see cref="MaxRunBytes"/>.</param>
    public static Operation ReadMemory(ulong address, int length) =>
        new(OperationKind.ReadMemory, size: CheckLength(length, MaxRunBytes), address: address);

    /// <param name="ns">0 to <see cref="MaxClockStepNs"/>.</param>
    public static Operation ClockStep(ulong ns)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ns, MaxClockStepNs);
        return new Operation(OperationKind.ClockStep, value: ns);
    }

    /// <param name="length">1 to <see cref="MaxRunBytes"/>.</param>
    /// <param name="repeated">1 to <see cref="MaxDataBytes"/> bytes.</param>
    public static Operation Pattern(ulong address, int length, ReadOnlySpan<byte> repeated)
    {
        CheckLength(repeated.Length, MaxDataBytes);
        return new Operation(OperationKind.Pattern, size: CheckLength(length, MaxRunBytes), address: address, data: repeated.ToArray());
    }

    /// <summary>The bytes that a pattern leaves in memory, <see cref="Size"/> of them.</summary>
    public byte[] Repeated()
    {
        var bytes = new byte[Size];
        for (var i = 0; i < bytes.Length; i++)
            bytes[i] = Data[i % Data.Length];
        return bytes;
    }

    public static Operation SampleInterrupts() => new(OperationKind.SampleInterrupts);

    public static Operation Reset() => new(OperationKind.Reset);

    public static Operation Snapshot() => new(OperationKind.Snapshot);

    public static Operation Restore() => new(OperationKind.Restore);

    /// <param name="data">1 to <see cref="MaxDataBytes"/> bytes.</param>
    public static Operation DmaInput(ReadOnlySpan<byte> data) => new(OperationKind.DmaInput, size: CheckLength(data.Length, MaxDataBytes), data: data.ToArray());

    /// <param name="function">Device number times 8 plus function, 0 to 255.</param>
    /// <param name="register">0 to 255, a multiple of the size.</param>
    /// <param name="size">1, 2 or 4.</param>
    public static Operation PciRead(int function, int register, int size) => new(OperationKind.PciRead, AddressSpace.Port, CheckSize(AddressSpace.Port, size), PciAddress(function, register, size));

    /// <param name="function">Device number times 8 plus function, 0 to 255.</param>
    /// <param name="register">0 to 255, a multiple of the size.</param>
    /// <param name="size">1, 2 or 4.</param>
    /// <param name="value">The low <paramref name="size"/> bytes count.</param>
    public static Operation PciWrite(int function, int register, int size, ulong value) =>
        new(OperationKind.PciWrite, AddressSpace.Port, CheckSize(AddressSpace.Port, size), PciAddress(function, register, size), value & MaskOf(size));

    /// <summary>
    /// A configuration access as what it is made of, by configuration mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2); a pattern as the writes that it
    /// stands for; any other operation as itself.
    /// </summary>
    public IEnumerable<Operation> Plain() => Kind switch
    {
        OperationKind.PciRead or OperationKind.PciWrite => PortAccesses(),
        OperationKind.Pattern => Writes(),
        _ => [this],
    };

    /// <summary>The configuration access that two accesses of ports are, the other way round; null when they are none, or of another bus than 0.</summary>
    public static Operation? FromPorts(in Operation select, in Operation access)
    {
        if (select is not { Kind: OperationKind.Write, Space: AddressSpace.Port, Address: PciSelector, Size: 4 } || access is not { Kind: OperationKind.Read or OperationKind.Write, Space: AddressSpace.Port })
            return null;
        var (address, offset) = (select.Value - PciEnable, access.Address - PciData);
        if (address > ushort.MaxValue || (address & 3) != 0 || offset > 3 || offset % (ulong)access.Size != 0)
            return null;
        var (function, register) = ((int)address >> 8, (int)(address & byte.MaxValue | offset));
        return access.Kind == OperationKind.Read ? PciRead(function, register, access.Size) : PciWrite(function, register, access.Size, access.Value);
    }

    /// <summary>The writes that a pattern stands for.</summary>
    public IEnumerable<Operation> Writes()
    {
        var address = Address;
        return Repeated().Chunk(MaxDataBytes).Select((piece, number) => WriteMemory(unchecked(address + (ulong)(number * MaxDataBytes)), piece));
    }

    /// <summary>All ones in the low <paramref name="size"/> bytes, 1 to 8.</summary>
    public static ulong MaskOf(int size) => ulong.MaxValue >> (64 - size * 8);

    public bool Equals(Operation other) =>
        Kind == other.Kind && Space == other.Space && Size == other.Size && Address == other.Address && Value == other.Value
        && Data.AsSpan().SequenceEqual(other.Data);

    public override int GetHashCode() => HashCode.Combine(Kind, Space, Size, Address, Value, Data.Length == 0 ? 0 : Data[0]);

    public override string ToString() => ProgramText.Line(this);

    private Operation[] PortAccesses()
    {
        var data = PciData + (Address & 3);
        return
        [
            Write(AddressSpace.Port, PciSelector, 4, PciEnable | (Address & ~3UL)),
            Kind == OperationKind.PciRead ? Read(AddressSpace.Port, data, Size) : Write(AddressSpace.Port, data, Size, Value),
        ];
    }

    private static int CheckSize(AddressSpace space, int size) =>
        size is 1 or 2 or 4 || (size == 8 && space == AddressSpace.Mmio)
            ? size
            : throw new ArgumentOutOfRangeException(nameof(size), size, "an access has 1, 2 or 4 bytes, in memory space also 8");

    private static ulong CheckAddress(AddressSpace space, ulong address) =>
        space == AddressSpace.Mmio || address <= ushort.MaxValue
            ? address
            : throw new ArgumentOutOfRangeException(nameof(address), address, "ports go from 0 to 0xffff");

    private static ulong PciAddress(int function, int register, int size) =>
        (uint)function <= byte.MaxValue && (uint)register <= byte.MaxValue && register % size == 0
            ? (ulong)(function << 8 | register)
            : throw new ArgumentOutOfRangeException(nameof(register), register, $"function {function}: functions and registers go from 0 to 255, a register is a multiple of the access's size");

    private static int CheckLength(int length, int most) =>
        length >= 1 && length <= most ? length : throw new ArgumentOutOfRangeException(nameof(length), length, $"a run has 1 to {most} bytes");
}
