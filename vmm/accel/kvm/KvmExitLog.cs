namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>A vCPU's newest exits, kept as numbers and made text only when somebody asks.</summary>
internal sealed class KvmExitLog
{
    private const int Capacity = 16;

    private readonly Entry[] _entries = new Entry[Capacity];
    private uint _count;

    public void AddPort(bool isOut, ushort port, int size, uint count, uint value)
        => Next() = new Entry { Reason = KvmExit.Io, IsWrite = isOut, Size = (byte)size, Address = port, Count = count, Value = value };

    public void AddMmio(bool isWrite, ulong address, int size, ulong value)
        => Next() = new Entry { Reason = KvmExit.Mmio, IsWrite = isWrite, Size = (byte)size, Address = address, Count = 1, Value = value };

    /// <param name="detail">A number that belongs to the reason: a vector, a type, an error.</param>
    public void Add(KvmExit reason, ulong detail = 0) => Next() = new Entry { Reason = reason, Value = detail };

    /// <summary>The newest first, one line each.</summary>
    public IReadOnlyList<string> ToLines()
    {
        var lines = new List<string>(Capacity);
        for (var back = 1u; back <= Math.Min(_count, Capacity); back++)
            lines.Add(_entries[(_count - back) % Capacity].ToString());
        return lines;
    }

    private ref Entry Next() => ref _entries[_count++ % Capacity];

    private struct Entry
    {
        public KvmExit Reason;
        public bool IsWrite;
        public byte Size;
        public uint Count;
        public ulong Address, Value;

        public override readonly string ToString() => Reason switch
        {
            KvmExit.Io => $"{(IsWrite ? "out" : "in")} port 0x{Address:x} {Size} bytes{(Count == 1 ? "" : $" x {Count}")} value 0x{Value:x}{(Count == 1 ? "" : " last")}",
            KvmExit.Mmio => $"mmio {(IsWrite ? "write" : "read")} 0x{Address:x} {Size} bytes value 0x{Value:x}",
            KvmExit.Intr => "interrupted by a signal",
            KvmExit.Hlt => "hlt",
            KvmExit.IrqWindowOpen => "interrupt window open",
            KvmExit.Shutdown => "shutdown (triple fault)",
            _ => $"{Reason} 0x{Value:x}",
        };
    }
}
