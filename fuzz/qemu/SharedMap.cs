using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>
/// A map of hit counters that a program built with AFL++'s compiler counts into: a System V segment that its runtime attaches before <c>main</c>, named by a variable
/// of the environment (AFL++, instrumentation/afl-compiler-rt.o.c, <c>__afl_map_shm</c>). The fork server needs a pipe at descriptor 198; without one the program runs
/// as any other, and counts.
/// </summary>
public sealed unsafe partial class SharedMap : IDisposable
{
    private const int Private = 0, Create = 0x200, OwnerOnly = 0x180, Remove = 0;

    private readonly int _id;
    private byte* _counts;

    /// <param name="bytes">As the program told: <see cref="QemuBinary.MapBytes"/>.</param>
    /// <exception cref="IOException">The host gives no such segment.</exception>
    public SharedMap(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        Length = bytes;
        _id = shmget(Private, (nuint)bytes, Create | OwnerOnly);
        if (_id < 0)
            throw Failure("making");
        var address = shmat(_id, 0, 0);
        var failure = address == -1 ? Failure("attaching") : null;
        // It goes with the last process that has it, however that ends; Linux lets others attach it by its number until then (shmctl(2), IPC_RMID).
        _ = shmctl(_id, Remove, 0);
        if (failure is not null)
            throw failure;
        _counts = (byte*)address;
    }

    /// <summary>In bytes, a counter each.</summary>
    public int Length { get; }

    /// <summary>Changed by the program as it runs.</summary>
    public Span<byte> Counts => new(_counts, _counts is null ? 0 : Length);

    /// <summary>The program must be started with these.</summary>
    public IReadOnlyDictionary<string, string> Variables => new Dictionary<string, string>
    {
        ["__AFL_SHM_ID"] = _id.ToString(CultureInfo.InvariantCulture),
        ["AFL_MAP_SIZE"] = Length.ToString(CultureInfo.InvariantCulture),
    };

    public void Dispose()
    {
        if (_counts is not null)
            _ = shmdt((nint)_counts);
        _counts = null;
    }

    private IOException Failure(string doing) =>
        new($"{doing} a shared memory segment of {Length} bytes: {new Win32Exception(Marshal.GetLastPInvokeError()).Message} (see /proc/sys/kernel/shmmax and shmmni)");

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shmget(int key, nuint bytes, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint shmat(int id, nint address, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shmdt(nint address);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shmctl(int id, int command, nint buffer);
}
