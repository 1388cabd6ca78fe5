using System.Numerics;
using Gauntlet.Linux;

namespace Gauntlet.Vmm.Memory;

/// <summary>
/// One run of guest RAM or ROM, backed by a mapping of a memfd, so that it can be mapped again elsewhere and shared. Pages cost nothing until touched.
/// A window is a part of another run, seen at another address or read-only.
/// </summary>
public sealed unsafe class GuestRam : IDisposable
{
    private readonly bool _isWindow;
    // Of the run that a window is a part of.
    private readonly ulong[] _dirty;
    private nint _mapping;

    /// <param name="name">For people and /proc/PID/maps: <c>pc.ram</c>.</param>
    /// <param name="guestAddress">Guest-physical address, a multiple of <see cref="PageSize"/>.</param>
    /// <param name="length">In bytes, a multiple of <see cref="PageSize"/>, above 0.</param>
    /// <param name="readOnly">Guest writes do not reach it.</param>
    /// <exception cref="ArgumentException">Address or length is not a multiple of the page size.</exception>
    /// <exception cref="LinuxException">The host has no memory or descriptors for it.</exception>
    public GuestRam(string name, ulong guestAddress, ulong length, bool readOnly = false)
    {
        if (length == 0 || length % PageSize != 0 || guestAddress % PageSize != 0)
            throw new ArgumentException($"{name}: RAM at 0x{guestAddress:x} of 0x{length:x} bytes is not made of whole 4-KiB pages");
        Name = name;
        GuestAddress = guestAddress;
        Length = length;
        ReadOnly = readOnly;
        _dirty = new ulong[(length / PageSize + 63) / 64];
        FileDescriptor = Libc.memfd_create(name, Libc.MFD_CLOEXEC);
        if (FileDescriptor < 0)
            throw LinuxException.ForErrno($"creating {length >> 20} MiB of guest RAM");
        if (Libc.ftruncate(FileDescriptor, checked((long)length)) != 0)
            throw Failed($"sizing guest RAM to {length >> 20} MiB");
        _mapping = Libc.mmap(0, (nuint)length, Libc.PROT_READ | Libc.PROT_WRITE, Libc.MAP_SHARED | Libc.MAP_NORESERVE, FileDescriptor, 0);
        if (_mapping == -1)
            throw Failed($"mapping {length >> 20} MiB of guest RAM");
    }

    private GuestRam(string name, ulong guestAddress, GuestRam source, ulong offset, ulong length, bool readOnly)
    {
        if (length == 0 || length % PageSize != 0 || guestAddress % PageSize != 0 || offset % PageSize != 0 || offset + length > source.Length)
            throw new ArgumentException($"{name}: a window of 0x{length:x} bytes from 0x{offset:x} is not made of whole 4-KiB pages of {source.Name}");
        (Name, GuestAddress, Length, ReadOnly, FileDescriptor) = (name, guestAddress, length, readOnly, source.FileDescriptor);
        _dirty = source._dirty;
        (_mapping, _isWindow, Source, SourceOffset) = (source._mapping + (nint)offset, true, source, offset);
    }

    /// <summary>A part of this run at another address, or with other rights. Valid as long as this.</summary>
    /// <param name="offset">In this run, a multiple of <see cref="PageSize"/>.</param>
    /// <exception cref="ArgumentException">It is not made of whole pages of this run.</exception>
    public GuestRam Window(string name, ulong guestAddress, ulong offset, ulong length, bool readOnly) =>
        new(name, guestAddress, this, offset, length, readOnly);

    /// <summary>For a window the run that it is a part of, else null.</summary>
    public GuestRam? Source { get; }

    /// <summary>Where a window starts in its source, in bytes.</summary>
    public ulong SourceOffset { get; }

    /// <summary>Bytes in a page.</summary>
    public const int PageSize = 4096;

    public string Name { get; }

    public ulong GuestAddress { get; }

    /// <summary>In bytes.</summary>
    public ulong Length { get; }

    public bool ReadOnly { get; }

    /// <summary>The memfd behind it; a window starts at <see cref="SourceOffset"/> there.</summary>
    public int FileDescriptor { get; }

    /// <summary>Where the first byte is in this process. Valid until <see cref="Dispose"/>.</summary>
    public byte* HostPointer => (byte*)_mapping;

    /// <summary>The bytes themselves, whoever sees them where.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They are not all inside.</exception>
    public Span<byte> GetSpan(ulong offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + (uint)length, Length);
        return new Span<byte>(HostPointer + offset, length);
    }

    /// <summary>True when the address is inside.</summary>
    public bool Contains(ulong address) => address - GuestAddress < Length;

    /// <summary>Notes that a page was written. From any thread; cheap when it is noted already.</summary>
    /// <param name="page">Its number in this run.</param>
    public void MarkDirty(ulong page)
    {
        page += SourceOffset / PageSize;
        ref var word = ref _dirty[page >> 6];
        var bit = 1UL << (int)(page & 63);
        if ((Volatile.Read(ref word) & bit) == 0)
            Interlocked.Or(ref word, bit);
    }

    /// <summary>Notes 64 pages at once.</summary>
    /// <param name="index">Of the first, divided by 64.</param>
    /// <param name="pages">A bit for each page.</param>
    public void MarkDirty(int index, ulong pages)
    {
        for (; pages != 0; pages &= pages - 1)
            MarkDirty((ulong)index * 64 + (ulong)BitOperations.TrailingZeroCount(pages));
    }

    /// <summary>Adds the address of every page that was noted, ascending, and forgets them. Not of a window.</summary>
    public void CollectDirtyPages(List<ulong> pages)
    {
        for (var word = 0; word < _dirty.Length; word++)
        {
            if (_dirty[word] == 0)
                continue;
            for (var bits = Interlocked.Exchange(ref _dirty[word], 0); bits != 0; bits &= bits - 1)
                pages.Add(GuestAddress + ((ulong)word * 64 + (ulong)BitOperations.TrailingZeroCount(bits)) * PageSize);
        }
    }

    /// <summary>Finds the next part that holds something: what no one has written since the start or <see cref="Clear"/> is zeros, and costs no memory.</summary>
    /// <param name="from">Where to begin, in bytes from the start.</param>
    /// <param name="start">Where it begins, a multiple of the page size.</param>
    /// <param name="end">Where it ends, exclusive.</param>
    /// <returns>False when there is nothing more.</returns>
    public bool TryFindData(ulong from, out ulong start, out ulong end)
    {
        (start, end) = (Length, Length);
        if (from >= Length)
            return false;
        var data = Libc.lseek(FileDescriptor, (long)from, Libc.SEEK_DATA);
        if (data < 0)
            return false;
        var hole = Libc.lseek(FileDescriptor, data, Libc.SEEK_HOLE);
        start = (ulong)data & ~(ulong)(PageSize - 1);
        end = hole < 0 ? Length : Math.Min(((ulong)hole + PageSize - 1) & ~(ulong)(PageSize - 1), Length);
        return true;
    }

    /// <summary>Makes all of it zeros and gives the host its memory back. Nobody is told: the caller marks it dirty.</summary>
    /// <exception cref="LinuxException">The host cannot.</exception>
    public void Clear()
    {
        if (Libc.fallocate(FileDescriptor, Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE, 0, (long)Length) != 0)
            throw LinuxException.ForErrno($"clearing {Name}");
    }

    public void Dispose()
    {
        if (_mapping is 0 or -1 || _isWindow)
            return;
        _ = Libc.munmap(_mapping, (nuint)Length);
        _ = Libc.close(FileDescriptor);
        _mapping = 0;
    }

    private LinuxException Failed(string doing)
    {
        var error = LinuxException.ForErrno(doing);
        _ = Libc.close(FileDescriptor);
        return error;
    }
}
