using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>Starting processes, signalling and reaping them, and reading what they write.</summary>
public static unsafe partial class Libc
{
    public const int SIGINT = 2, SIGABRT = 6, SIGKILL = 9, SIGSEGV = 11, SIGTERM = 15, SIGXCPU = 24, SIGXFSZ = 25;

    /// <summary>poll(2): there is data; the other end was closed.</summary>
    public const short POLLIN = 1, POLLHUP = 0x10;

    /// <summary>One descriptor of <see cref="Poll"/>; a negative one is passed over.</summary>
    public struct PollFd
    {
        public int Fd;
        public short Events;
        public short ReturnedEvents;
    }

    /// <summary>poll(2), limit in milliseconds, below 0: for ever. Returns the number of descriptors with events, 0 at the limit or after a signal, -1 on failure.</summary>
    public static int Poll(Span<PollFd> descriptors, int timeout)
    {
        fixed (PollFd* first = descriptors)
        {
            var ready = poll(first, (nuint)descriptors.Length, timeout);
            return ready < 0 && Marshal.GetLastPInvokeError() == InterruptedBySignal ? 0 : ready;
        }
    }

    /// <summary>read(2), begun again after a signal. Returns 0 at the end, -1 on failure.</summary>
    public static int Read(SafeFileHandle handle, Span<byte> buffer)
    {
        fixed (byte* first = buffer)
        {
            nint length;
            do
                length = read(handle, first, (nuint)buffer.Length);
            while (length < 0 && Marshal.GetLastPInvokeError() == InterruptedBySignal);
            return (int)length;
        }
    }

    /// <summary>write(2), begun again after a signal. Returns -1 on failure.</summary>
    public static int Write(SafeFileHandle handle, ReadOnlySpan<byte> buffer)
    {
        fixed (byte* first = buffer)
        {
            nint length;
            do
                length = write(handle, first, (nuint)buffer.Length);
            while (length < 0 && Marshal.GetLastPInvokeError() == InterruptedBySignal);
            return (int)length;
        }
    }

    /// <summary>write(2) of one byte: what wakes a thread that polls the pipe's other end.</summary>
    public static void WriteByte(SafeFileHandle handle)
    {
        byte one = 1;
        _ = write(handle, &one, 1);
    }

    /// <summary>Waits for a child to end and forgets it.</summary>
    public static void Reap(int pid)
    {
        while (waitpid(pid, null, 0) < 0 && Marshal.GetLastPInvokeError() == InterruptedBySignal)
        {
        }
    }

    /// <summary>EINTR.</summary>
    private const int InterruptedBySignal = 4;

    [LibraryImport(Library, SetLastError = true)]
    private static partial int poll(PollFd* fds, nuint nfds, int timeout);

    [LibraryImport(Library, SetLastError = true)]
    private static partial nint read(SafeFileHandle fd, byte* buf, nuint count);

    [LibraryImport(Library, SetLastError = true)]
    private static partial nint write(SafeFileHandle fd, byte* buf, nuint count);

    /// <summary>kill(2): to a process, or with a negative number to a process group. Returns -1 on failure.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int kill(int pid, int sig);

    [LibraryImport(Library, SetLastError = true)]
    private static partial int waitpid(int pid, int* wstatus, int options);

    /// <summary>pipe2(2): the reading and the writing end.</summary>
    [LibraryImport(Library, SetLastError = true)]
    private static partial int pipe2(int* pipefd, int flags);

    private const int CloseOnExec = 0x80000;

    /// <summary>A pipe whose ends are closed on exec.</summary>
    /// <exception cref="LinuxException">No descriptors to be had.</exception>
    public static (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        var ends = stackalloc int[2];
        if (pipe2(ends, CloseOnExec) != 0)
            throw LinuxException.ForErrno("making a pipe");
        return (new SafeFileHandle(ends[0], ownsHandle: true), new SafeFileHandle(ends[1], ownsHandle: true));
    }

    // posix_spawn(3). Its functions return the error instead of setting errno.

    private const short POSIX_SPAWN_SETSIGDEF = 0x04, POSIX_SPAWN_SETSIGMASK = 0x08, POSIX_SPAWN_SETSID = 0x80;

    // glibc's sizes on 64-bit architectures: posix_spawnattr_t 336, posix_spawn_file_actions_t 80, sigset_t 128 bytes.
    private const int SpawnAttributesBytes = 336, SpawnFileActionsBytes = 80, SignalSetBytes = 128;

    [LibraryImport(Library)]
    private static partial int posix_spawn(int* pid, byte* path, void* fileActions, void* attributes, byte** argv, byte** envp);

    [LibraryImport(Library)]
    private static partial int posix_spawnattr_init(void* attributes);

    [LibraryImport(Library)]
    private static partial int posix_spawnattr_destroy(void* attributes);

    [LibraryImport(Library)]
    private static partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport(Library)]
    private static partial int posix_spawnattr_setsigdefault(void* attributes, void* signals);

    [LibraryImport(Library)]
    private static partial int posix_spawnattr_setsigmask(void* attributes, void* signals);

    [LibraryImport(Library)]
    private static partial int posix_spawn_file_actions_init(void* actions);

    [LibraryImport(Library)]
    private static partial int posix_spawn_file_actions_destroy(void* actions);

    [LibraryImport(Library)]
    private static partial int posix_spawn_file_actions_addopen(void* actions, int fd, byte* path, int flags, uint mode);

    [LibraryImport(Library)]
    private static partial int posix_spawn_file_actions_adddup2(void* actions, int fd, int newfd);

    [LibraryImport(Library)]
    private static partial int posix_spawn_file_actions_addchdir_np(void* actions, byte* path);

    [LibraryImport(Library)]
    private static partial int sigfillset(void* set);

    [LibraryImport(Library)]
    private static partial int sigemptyset(void* set);

    /// <summary>
    /// Starts a program as the leader of a session of its own, with every signal at its default and none blocked (the runtime ignores SIGPIPE and
    /// handles others, which a child would inherit), standard input from /dev/null, and of this process's descriptors only those given.
    /// </summary>
    /// <param name="path">Program, absolute.</param>
    /// <param name="arguments">Its argv, the first being its name.</param>
    /// <param name="environment"><c>NAME=value</c>, complete.</param>
    /// <param name="workingDirectory">Where it starts; null: here.</param>
    /// <param name="descriptors">The first becomes its descriptor 1, the next 2, and so on.</param>
    /// <returns>Process id; the caller reaps it with <see cref="Reap"/>.</returns>
    /// <exception cref="LinuxException">It could not be started.</exception>
    public static int Spawn(
        string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, string? workingDirectory, ReadOnlySpan<SafeFileHandle> descriptors)
    {
        var actions = stackalloc byte[SpawnFileActionsBytes];
        var attributes = stackalloc byte[SpawnAttributesBytes];
        var signals = stackalloc byte[SignalSetBytes];
        using var strings = new NativeStrings();
        Check(posix_spawn_file_actions_init(actions), path);
        Check(posix_spawnattr_init(attributes), path);
        try
        {
            Check(posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID), path);
            _ = sigfillset(signals);
            Check(posix_spawnattr_setsigdefault(attributes, signals), path);
            _ = sigemptyset(signals);
            Check(posix_spawnattr_setsigmask(attributes, signals), path);

            // In this order no source is overwritten before it is used: the runtime has its own descriptors below these long since.
            Check(posix_spawn_file_actions_addopen(actions, 0, strings.Add("/dev/null"), 0, 0), path);
            for (var i = 0; i < descriptors.Length; i++)
                Check(posix_spawn_file_actions_adddup2(actions, (int)descriptors[i].DangerousGetHandle(), i + 1), path);
            if (workingDirectory is not null)
                Check(posix_spawn_file_actions_addchdir_np(actions, strings.Add(workingDirectory)), path);
            int pid;
            Check(posix_spawn(&pid, strings.Add(path), actions, attributes, strings.AddArray(arguments), strings.AddArray(environment)), path);
            return pid;
        }
        finally
        {
            _ = posix_spawn_file_actions_destroy(actions);
            _ = posix_spawnattr_destroy(attributes);
        }

        static void Check(int error, string path)
        {
            if (error != 0)
                throw new LinuxException($"starting {path}", error);
        }
    }

    /// <summary>NUL-terminated UTF-8 copies that live until disposed.</summary>
    private sealed class NativeStrings : IDisposable
    {
        private readonly List<nint> _blocks = [];

        public byte* Add(string text)
        {
            var block = Marshal.StringToCoTaskMemUTF8(text);
            _blocks.Add(block);
            return (byte*)block;
        }

        /// <summary>An array of strings with a null pointer at its end, as execve(2) takes.</summary>
        public byte** AddArray(IReadOnlyList<string> texts)
        {
            var array = (byte**)Marshal.AllocCoTaskMem((texts.Count + 1) * sizeof(byte*));
            _blocks.Add((nint)array);
            for (var i = 0; i < texts.Count; i++)
                array[i] = Add(texts[i]);
            array[texts.Count] = null;
            return array;
        }

        public void Dispose()
        {
            foreach (var block in _blocks)
                Marshal.FreeCoTaskMem(block);
        }
    }
}
