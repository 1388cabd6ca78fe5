using Gauntlet.Linux;

namespace Gauntlet.Vmm.Memory;

/// <summary>Guest memory of which parts can be given back to the host.</summary>
public interface IReclaimableMemory
{
    /// <summary>Makes pages zeros that cost the host no memory until they are touched; false, and nothing happened, when any of them is not writable RAM.</summary>
    /// <param name="address">Of the first byte, a multiple of the page size, as is the length.</param>
    bool TryReclaim(ulong address, ulong length);
}

/// <summary>A machine's memory, of which parts can be given back.</summary>
public sealed class ReclaimableMemory(GuestMemory memory) : IReclaimableMemory
{
    public unsafe bool TryReclaim(ulong address, ulong length)
    {
        if (((address | length) & (GuestRam.PageSize - 1)) != 0 || !memory.IsBacked(address, length, forWrite: true))
            return false;
        for (var (at, left) = (address, length); left > 0;)
        {
            var part = memory.GetSpan(at, (int)Math.Min(left, int.MaxValue & ~(GuestRam.PageSize - 1)));
            if (part.IsEmpty)
                return false;
            fixed (byte* start = part)
                _ = Libc.madvise((nint)start, (nuint)part.Length, Libc.MADV_REMOVE);
            at += (ulong)part.Length;
            left -= (ulong)part.Length;
        }
        memory.MarkDirty(address, length);
        return true;
    }
}
