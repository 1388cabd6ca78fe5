using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.Accel.Tcg.SoftMmu;

/// <summary>
/// One translation. A tag is the linear page's address when the access may go straight to host memory at linear + <see cref="Addend"/>;
/// with bit 0 set, the translation holds but the access takes the slow path; <see cref="SoftTlb.Invalid"/> otherwise.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct TlbEntry
{
    public ulong Read, Write, Execute;
    public long Addend;
}

/// <summary>
/// A vCPU's software TLB: direct-mapped, one table for each MMU index. Filled and read by its own thread; other threads only turn fast writes
/// into slow ones (<see cref="SlowWritesTo"/>).
/// </summary>
public sealed unsafe class SoftTlb : IDisposable
{
    /// <summary>Entries of one table, a power of two.</summary>
    public const int EntriesLog2 = 9, Entries = 1 << EntriesLog2;

    /// <summary>Tables: as many MMU indices as a front end may use.</summary>
    public const int MmuIndices = 4;

    /// <summary>Bytes from one table to the next.</summary>
    public const int TableShift = EntriesLog2 + 5;

    public const ulong Invalid = ulong.MaxValue;

    /// <summary>Tag bit: the translation holds, the access is not a plain one to RAM.</summary>
    public const ulong Slow = 1;

    private readonly ulong* _physical = (ulong*)NativeMemory.AllocZeroed(Entries * MmuIndices, sizeof(ulong));

    public SoftTlb() => Flush();

    public TlbEntry* Table { get; private set; } = (TlbEntry*)NativeMemory.AlignedAlloc((nuint)(Entries * MmuIndices * sizeof(TlbEntry)), 64);

    public static int IndexOf(ulong linear, int mmuIndex) => (mmuIndex << EntriesLog2) + ((int)(linear >> 12) & (Entries - 1));

    /// <summary>The physical page of an entry whose tags are valid.</summary>
    public ref ulong PhysicalOf(int index) => ref _physical[index];

    /// <summary>Entries filled since the last flush, as far as there is room: few after a short run, and then a flush costs little.</summary>
    private readonly ushort[] _filled = new ushort[128];
    private int _filledCount = int.MaxValue;

    /// <summary>An entry's tags are about to be set.</summary>
    public void NoteFilled(int index)
    {
        if ((uint)_filledCount < (uint)_filled.Length)
            _filled[_filledCount++] = (ushort)index;
        else
            _filledCount = int.MaxValue;
    }

    public void Flush()
    {
        if (_filledCount <= _filled.Length)
        {
            for (var i = 0; i < _filledCount; i++)
                Table[_filled[i]] = new TlbEntry { Read = Invalid, Write = Invalid, Execute = Invalid };
            _filledCount = 0;
            return;
        }
        _filledCount = 0;
        // Not Span.Fill: that is generic over the host's vectors, and compiled at each start.
        var end = (ulong*)(Table + Entries * MmuIndices);
        for (var tag = (ulong*)Table; tag < end; tag++)
            *tag = ulong.MaxValue;
    }

    /// <summary>Drops one linear page, for every MMU index.</summary>
    public void FlushPage(ulong linear)
    {
        for (var mmu = 0; mmu < MmuIndices; mmu++)
            Table[IndexOf(linear, mmu)] = new TlbEntry { Read = Invalid, Write = Invalid, Execute = Invalid };
    }

    /// <summary>Writes to a physical page take the slow path from now on. From any thread.</summary>
    public void SlowWritesTo(ulong physicalPage)
    {
        for (var i = 0; i < Entries * MmuIndices; i++)
        {
            var tag = Volatile.Read(ref Table[i].Write);
            // Compare and exchange: the owner may be filling this entry with another page.
            if (tag != Invalid && (tag & Slow) == 0 && Volatile.Read(ref _physical[i]) == physicalPage)
                Interlocked.CompareExchange(ref Table[i].Write, tag | Slow, tag);
        }
    }

    public void Dispose()
    {
        NativeMemory.Free(_physical);
        NativeMemory.AlignedFree(Table);
        Table = null;
    }
}
