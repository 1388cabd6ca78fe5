using System.Runtime.InteropServices;
using Gauntlet.Vmm.Accel.Tcg.Backends;

namespace Gauntlet.Vmm.Accel.Tcg.Blocks;

/// <summary>
/// One vCPU's translated blocks: by what they translate, by physical page for invalidation, and a jump cache by program counter.
/// Owned and used by the vCPU's thread alone.
/// </summary>
/// <remarks>
/// An invalid block stays in the arena with its code replaced by a stub, because other blocks may be chained to it; memory comes back
/// when the arena is full and everything is translated anew.
/// </remarks>
public sealed unsafe class BlockCache : IDisposable
{
    /// <summary>Entries of the jump cache, a power of two.</summary>
    public const int JumpCacheEntries = 4096;

    /// <summary>In bytes; when this much is translated, the cache starts over.</summary>
    public const int MaxArenaBytes = 16 << 20;

    private const int ChunkBytes = 1 << 20, Buckets = 1 << 13;

    private readonly byte*[] _chunks = new byte*[MaxArenaBytes / ChunkBytes];
    private readonly PageTable _pages = new();
    private readonly TranslatedBlock** _buckets = (TranslatedBlock**)NativeMemory.AllocZeroed(Buckets, (nuint)sizeof(TranslatedBlock*));

    // The jump cache's entries that were set since it was cleared, as far as there is room.
    private readonly ushort[] _jumps = new ushort[256];
    private int _jumpCount;
    private int _chunk = -1, _used = ChunkBytes;

    /// <summary>Blocks by <see cref="JumpHash"/> of the program counter; each entry null or to be compared with the key wanted.</summary>
    public TranslatedBlock** JumpCache { get; private set; } =
        (TranslatedBlock**)NativeMemory.AllocZeroed(JumpCacheEntries, (nuint)sizeof(TranslatedBlock*));

    /// <summary>Makes and runs the blocks; told of those that go.</summary>
    public TcgBackend? Backend { get; set; }

    /// <summary>How often everything was dropped for want of space.</summary>
    public int Generations { get; private set; }

    public static int JumpHash(ulong pc) => (int)(pc ^ pc >> 12) & (JumpCacheEntries - 1);

    /// <summary>The block of these bytes, or null.</summary>
    public TranslatedBlock* Find(in BlockKey key, ulong physical)
    {
        for (var block = _buckets[Bucket(physical)]; block != null; block = block->NextInBucket)
            if (block->Physical == physical && block->Key == key)
                return block;
        return null;
    }

    /// <summary>True when a block of this many bytes may not fit: call <see cref="Clear"/> before translating.</summary>
    public bool IsFull => _chunk >= 0 && (_chunk + 1) * ChunkBytes >= MaxArenaBytes && _used > ChunkBytes / 2 || Backend is { IsFull: true };

    /// <summary>Memory for a block and its code; zeroed. At most half a MiB.</summary>
    public void* Allocate(int bytes)
    {
        bytes = (bytes + 15) & ~15;
        if (ChunkBytes - _used < bytes)
        {
            if (_chunks[++_chunk] == null)
                _chunks[_chunk] = (byte*)NativeMemory.AlignedAlloc(ChunkBytes, 64);
            _used = 0;
        }
        var start = _chunks[_chunk] + _used;
        _used += bytes;
        new Span<byte>(start, bytes).Clear();
        return start;
    }

    /// <summary>Makes a finished block findable.</summary>
    public void Add(TranslatedBlock* block)
    {
        ref var bucket = ref _buckets[Bucket(block->Physical)];
        block->NextInBucket = bucket;
        bucket = block;
        var page = block->Physical & ~0xffful;
        ref var first = ref _pages.First(page);
        block->NextInPage = first;
        first = block;
        if (block->SecondPage == TranslatedBlock.NoPage)
            return;
        ref var second = ref _pages.First(block->SecondPage);
        block->NextInSecondPage = second;
        second = block;
    }

    /// <summary>Drops all blocks with bytes in a physical page.</summary>
    /// <param name="running">The block being executed, or null.</param>
    /// <returns>True when <paramref name="running"/> was one of them.</returns>
    public bool InvalidatePage(ulong physicalPage, TranslatedBlock* running)
    {
        var hit = false;
        TranslatedBlock* next;
        for (var block = _pages.Take(physicalPage); block != null; block = next)
        {
            next = (block->Physical & ~0xffful) == physicalPage ? block->NextInPage : block->NextInSecondPage;
            hit |= block == running;
            if (block->Invalid)
                continue;
            block->Invalid = true;
            Backend?.Invalidate(block);
            Unlink(block);
        }
        return hit;
    }

    /// <summary>Puts a block where its program counter leads.</summary>
    public void SetJump(TranslatedBlock* block)
    {
        var index = JumpHash(block->Key.Pc);
        JumpCache[index] = block;
        if ((uint)_jumpCount < (uint)_jumps.Length)
            _jumps[_jumpCount++] = (ushort)index;
        else
            _jumpCount = int.MaxValue;
    }

    /// <summary>The jump cache goes by linear addresses: it is dropped with the TLB.</summary>
    public void ClearJumpCache()
    {
        if (_jumpCount <= _jumps.Length)
        {
            for (var i = 0; i < _jumpCount; i++)
                JumpCache[_jumps[i]] = null;
        }
        else
        {
            new Span<nint>(JumpCache, JumpCacheEntries).Clear();
        }
        _jumpCount = 0;
    }

    /// <summary>Drops every block; the arena starts over. No block may be running, and nothing may keep a pointer to one.</summary>
    public void Clear()
    {
        ClearJumpCache();
        new Span<nint>(_buckets, Buckets).Clear();
        _pages.Clear();
        _chunk = -1;
        _used = ChunkBytes;
        Backend?.Clear();
        Generations++;
    }

    public void Dispose()
    {
        foreach (var chunk in _chunks)
            NativeMemory.AlignedFree(chunk);
        Array.Clear(_chunks);
        _pages.Dispose();
        NativeMemory.Free(_buckets);
        NativeMemory.Free(JumpCache);
        JumpCache = null;
    }

    private static int Bucket(ulong physical) => (int)(physical * 0x9e3779b97f4a7c15 >> 51);

    private void Unlink(TranslatedBlock* block)
    {
        for (var link = &_buckets[Bucket(block->Physical)]; *link != null; link = &(*link)->NextInBucket)
            if (*link == block)
            {
                *link = block->NextInBucket;
                break;
            }
        ref var jump = ref JumpCache[JumpHash(block->Key.Pc)];
        if (jump == block)
            jump = null;
    }
}
