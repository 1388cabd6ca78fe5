using Gauntlet.Vmm.Accel.Tcg.Ir;

namespace Gauntlet.Vmm.Accel.Tcg;

/// <summary>Read-modify-write operations that are one access to every other CPU.</summary>
public enum AtomicOp
{
    Add,
    Sub,
    And,
    Or,
    Xor,

    /// <summary>0 - value in memory.</summary>
    Neg,
    Exchange,
}

// Locked operations. On RAM by the host's own, so that they are atomic against every vCPU thread; what the host's cannot do in one
// access (across cache lines, in a device) is serialised against others of its kind only.
public abstract unsafe partial class TcgCore
{
    private const int CacheLine = 64;

    /// <summary>The old value; meaningless when <see cref="CoreHeader.Fault"/> is set.</summary>
    internal ulong Atomic(ulong linear, AtomicOp op, int size, int attributes, ulong value)
    {
        ulong old = 0;
        if (!TryPinWhole(linear, size, attributes, out var host))
            return 0;
        if (host == null)
        {
            lock (Physical.SplitLock)
            {
                if (Load(linear, size, attributes, &old))
                    Store(linear, size, attributes, Apply(op, old, value));
                return old;
            }
        }
        while (true)
        {
            old = ReadHost(host, size);
            if (CompareExchangeHost(host, size, old, Apply(op, old, value)))
                return old;
        }
    }

    /// <summary>CMPXCHG: the old value; written only when it is <paramref name="expected"/>.</summary>
    internal ulong AtomicCompareExchange(ulong linear, int size, int attributes, ulong expected, ulong value)
    {
        ulong old = 0;
        var mask = IrTypes.OfBytes(size).Mask();
        expected &= mask;
        if (!TryPinWhole(linear, size, attributes, out var host))
            return 0;
        if (host == null)
        {
            lock (Physical.SplitLock)
            {
                // The destination is written in any case, as the CPU does it (SDM Vol. 2, CMPXCHG).
                if (Load(linear, size, attributes, &old))
                    Store(linear, size, attributes, old == expected ? value : old);
                return old;
            }
        }
        while (true)
        {
            old = ReadHost(host, size);
            if (old != expected || CompareExchangeHost(host, size, old, value))
                return old;
        }
    }

    /// <summary>Host memory for an atomic operation; null where it has to be done in parts. False: <see cref="CoreHeader.Fault"/> is set.</summary>
    internal bool TryPinWhole(ulong linear, int size, int attributes, out byte* host)
    {
        host = null;
        var line = linear & (CacheLine - 1);
        return (int)line + size > CacheLine || TryPin(linear, size, MemoryAccess.Write, attributes, out host);
    }

    private static ulong Apply(AtomicOp op, ulong old, ulong value) => op switch
    {
        AtomicOp.Add => old + value,
        AtomicOp.Sub => old - value,
        AtomicOp.And => old & value,
        AtomicOp.Or => old | value,
        AtomicOp.Xor => old ^ value,
        AtomicOp.Neg => 0 - old,
        _ => value,
    };

    private static bool CompareExchangeHost(byte* host, int size, ulong old, ulong value) => size switch
    {
        1 => Interlocked.CompareExchange(ref *host, (byte)value, (byte)old) == (byte)old,
        2 => Interlocked.CompareExchange(ref *(ushort*)host, (ushort)value, (ushort)old) == (ushort)old,
        4 => Interlocked.CompareExchange(ref *(uint*)host, (uint)value, (uint)old) == (uint)old,
        _ => Interlocked.CompareExchange(ref *(ulong*)host, value, old) == old,
    };
}
