using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Many events and sockets that one thread waits for (epoll(7)). Each is told once for every change, edge triggered.</summary>
public sealed unsafe partial class EventPoll : IDisposable
{
    private const int EPOLL_CLOEXEC = 0x80000, EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2;
    private const uint EPOLLIN = 1, EPOLLOUT = 4, EPOLLRDHUP = 0x2000, EPOLLET = 1u << 31;
    private const int MaxAtOnce = 64;

    private readonly SafeFileHandle _handle;

    /// <exception cref="LinuxException">No descriptor to be had.</exception>
    public EventPoll()
    {
        _handle = epoll_create1(EPOLL_CLOEXEC);
        if (_handle.IsInvalid)
            throw LinuxException.ForErrno("making an epoll descriptor");
    }

    /// <summary>Waits for an event too from here on.</summary>
    /// <param name="key">What <see cref="Wait"/> tells it by.</param>
    /// <exception cref="LinuxException">The kernel has no room for it.</exception>
    public void Add(EventFd signal, ulong key) => Add(signal.Handle, EPOLLIN, key);

    /// <summary>The same for a socket: bytes that came, room for more, the other end that went.</summary>
    /// <exception cref="LinuxException">The kernel has no room for it.</exception>
    public void Add(SafeFileHandle socket, ulong key) => Add(socket, EPOLLIN | EPOLLOUT | EPOLLRDHUP, key);

    /// <summary>Waits no more for an event; one that was told already may still come.</summary>
    public void Remove(EventFd signal) => _ = epoll_ctl(_handle, EPOLL_CTL_DEL, (int)signal.Handle.DangerousGetHandle(), null);

    /// <summary>Waits until something was signalled; how many keys there are now.</summary>
    public int Wait(Span<ulong> keys)
    {
        var count = Math.Min(keys.Length, MaxAtOnce);
        var events = stackalloc EpollEvent[MaxAtOnce];
        int told;
        do
            told = epoll_wait(_handle, events, count, -1);
        while (told < 0 && Marshal.GetLastPInvokeError() == Libc.EINTR);
        for (var i = 0; i < told; i++)
            keys[i] = events[i].Key;
        return Math.Max(told, 0);
    }

    public void Dispose() => _handle.Dispose();

    private void Add(SafeFileHandle descriptor, uint what, ulong key)
    {
        var entry = new EpollEvent { Events = what | EPOLLET, Key = key };
        if (epoll_ctl(_handle, EPOLL_CTL_ADD, (int)descriptor.DangerousGetHandle(), &entry) != 0)
            throw LinuxException.ForErrno("adding to an epoll descriptor");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial SafeFileHandle epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_ctl(SafeFileHandle epoll, int operation, int fd, EpollEvent* entry);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(SafeFileHandle epoll, EpollEvent* events, int count, int timeoutMs);

    /// <summary>struct epoll_event, packed as on x86-64.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    private struct EpollEvent
    {
        public uint Events;
        public ulong Key;
    }
}
