namespace Gauntlet.Vmm.Memory;

/// <summary>
/// Guest-physical memory as a device's DMA reaches it: RAM only. Every access is checked as a whole first; one that leaves RAM changes
/// nothing and returns false, and the device answers as its specification says for a bus error.
/// </summary>
/// <remarks>Implementations hook in between: the fuzzer supplies bytes that the program never wrote, snapshots note dirty pages.</remarks>
public interface IGuestMemory
{
    /// <summary>Copies from guest memory; false when any byte is not RAM.</summary>
    bool TryRead(ulong address, Span<byte> destination);

    /// <summary>Copies to guest memory and marks the pages dirty; false when any byte is not writable RAM.</summary>
    bool TryWrite(ulong address, ReadOnlySpan<byte> source);

    /// <summary>
    /// The memory itself, for I/O without a copy: the longest run from the address, at most <paramref name="maxLength"/> bytes; empty when the
    /// address is not RAM. A writer that used it calls <see cref="MarkDirty"/> afterwards.
    /// </summary>
    Span<byte> GetSpan(ulong address, int maxLength);

    /// <summary>Notes that a device wrote these bytes.</summary>
    void MarkDirty(ulong address, ulong length);
}
