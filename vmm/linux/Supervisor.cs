using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>A program to be run under supervision.</summary>
public sealed record SupervisedCommand
{
    /// <summary>Absolute path of an executable file.</summary>
    public required string Program { get; init; }

    /// <summary>Its arguments, without its name.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary><c>NAME=value</c>, complete.</summary>
    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>Where it starts; null: here.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>In a network namespace of its own that has no interfaces, where the host permits.</summary>
    public bool NoNetwork { get; init; }

    /// <summary>In a PID namespace of its own, where the host permits; else grandchildren are found and killed one generation after the other.</summary>
    public bool OwnPids { get; init; } = true;

    /// <summary>RLIMIT_CPU of each of its processes; whole seconds, rounded up; null: none.</summary>
    public TimeSpan? CpuLimit { get; init; }

    /// <summary>RLIMIT_AS of each; null: none.</summary>
    public long? AddressSpaceBytes { get; init; }

    /// <summary>RLIMIT_FSIZE of each; null: none.</summary>
    public long? FileBytes { get; init; }
}

/// <summary>
/// Starts programs under <c>supervise</c>, a small native program (its source beside this one) that gives them limits from their first instruction
/// on and ends all they started when they end, when it is told to, or when this process dies.
/// </summary>
/// <remarks>It is part of this assembly and runs from memory: there is no file to install, to find or to be out of date.</remarks>
public sealed class Supervisor : IDisposable
{
    internal const int FlagNoNetwork = 1, FlagOwnPids = 2;

    private readonly SafeFileHandle _image;

    /// <exception cref="LinuxException">No memory file to be had.</exception>
    /// <exception cref="PlatformNotSupportedException">The host is neither x86-64 nor AArch64.</exception>
    public Supervisor()
    {
        var arch = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => "x86_64",
            Architecture.Arm64 => "aarch64",
            var other => throw new PlatformNotSupportedException($"There is no process supervisor for {other} hosts."),
        };
        var bytes = Image(arch);
        var descriptor = Libc.memfd_create("supervise", Libc.MFD_CLOEXEC);
        if (descriptor < 0)
            throw LinuxException.ForErrno("making a memory file for the process supervisor");
        _image = new SafeFileHandle(descriptor, ownsHandle: true);
        RandomAccess.Write(_image, bytes, 0);
    }

    /// <summary>The supervisor as a program, for a Linux that this host runs as a guest.</summary>
    /// <param name="arch">As the kernel names it.</param>
    /// <exception cref="PlatformNotSupportedException">There is none for it.</exception>
    public static byte[] Image(string arch)
    {
        using var resource = typeof(Supervisor).Assembly.GetManifestResourceStream($"supervise-{arch}")
            ?? throw new PlatformNotSupportedException($"This build has no process supervisor for {arch} hosts.");
        var bytes = new byte[resource.Length];
        resource.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Starts a program. When the calling thread ends, so does the program: Linux ties the parent's death signal to the thread.</summary>
    /// <exception cref="LinuxException">The supervisor could not be started. That the program itself could not is told by its reports.</exception>
    public SupervisedProcess Start(SupervisedCommand command)
    {
        var flags = (command.NoNetwork ? FlagNoNetwork : 0) | (command.OwnPids ? FlagOwnPids : 0);
        var cpuSeconds = command.CpuLimit is { } cpu ? (long?)Math.Ceiling(cpu.TotalSeconds) : null;
        List<string> arguments =
        [
            "supervise", "3", Text(Environment.ProcessId), Text(flags), Text(cpuSeconds), Text(command.AddressSpaceBytes), Text(command.FileBytes),
            command.Program, .. command.Arguments,
        ];
        var (output, outputEnd) = Libc.Pipe();
        var (error, errorEnd) = Libc.Pipe();
        var (reports, reportsEnd) = Libc.Pipe();
        try
        {
            // By this process's number: in the child the descriptor may already stand for something else.
            var path = string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{_image.DangerousGetHandle()}");
            var pid = Libc.Spawn(path, arguments, command.Environment, command.WorkingDirectory, [outputEnd, errorEnd, reportsEnd]);
            return new SupervisedProcess(pid, output, error, reports);
        }
        catch
        {
            output.Dispose();
            error.Dispose();
            reports.Dispose();
            throw;
        }
        finally
        {
            outputEnd.Dispose();
            errorEnd.Dispose();
            reportsEnd.Dispose();
        }

        static string Text(long? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "-";
    }

    public void Dispose() => _image.Dispose();
}

/// <summary>What a supervisor tells, in this order; the values are those of supervise.c.</summary>
public enum SupervisorEvent
{
    /// <summary>Which of the namespaces asked for it got.</summary>
    Isolation = 1,

    /// <summary>The program is about to run; its process id.</summary>
    Started = 2,

    /// <summary>It could not be; the error.</summary>
    Failed = 3,

    /// <summary>It ended; its status and how long it took.</summary>
    Exited = 4,

    /// <summary>All that it started is gone too; what they used.</summary>
    Gone = 5,
}

/// <summary>One report of a supervisor, as it comes out of its pipe.</summary>
/// <param name="Event">What happened; the other members' meaning follows from it.</param>
public readonly record struct SupervisorReport(SupervisorEvent Event, int Value, ulong A, ulong B, ulong C)
{
    /// <summary>Bytes of a report in the pipe.</summary>
    public const int Length = 32;

    public bool NetworkIsOff => Event == SupervisorEvent.Isolation && (Value & Supervisor.FlagNoNetwork) != 0;

    public bool HasOwnPids => Event == SupervisorEvent.Isolation && (Value & Supervisor.FlagOwnPids) != 0;

    /// <summary>Of <see cref="SupervisorEvent.Started"/>: the program's process id as this process sees it.</summary>
    public int ProcessId => Value;

    /// <summary>Of <see cref="SupervisorEvent.Failed"/>: as a sentence's end.</summary>
    public string Failure => $"{A switch { 1 => "fork", 2 => "setting its limits", 3 => "executing it", _ => "starting it" }}: {Marshal.GetPInvokeErrorMessage(Value)}";

    /// <summary>Of <see cref="SupervisorEvent.Exited"/>: 0 to 255; null when a signal ended it.</summary>
    public int? ExitStatus => (Value & 0x7f) == 0 ? (Value >> 8) & 0xff : null;

    /// <summary>Of <see cref="SupervisorEvent.Exited"/>: that signal.</summary>
    public int? Signal => (Value & 0x7f) == 0 ? null : Value & 0x7f;

    /// <summary>Of <see cref="SupervisorEvent.Exited"/>: from fork to end.</summary>
    public TimeSpan Wall => TimeSpan.FromTicks((long)(A / 100));

    /// <summary>Of <see cref="SupervisorEvent.Gone"/>: user and system time of all processes that were waited for.</summary>
    public TimeSpan Cpu => TimeSpan.FromMicroseconds(A + B);

    /// <summary>Of <see cref="SupervisorEvent.Gone"/>: the largest process's peak resident set.</summary>
    public long PeakMemoryBytes => (long)C << 10;

    public static SupervisorReport Parse(ReadOnlySpan<byte> bytes) => new(
        (SupervisorEvent)BinaryPrimitives.ReadUInt32LittleEndian(bytes), BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]),
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]));
}

/// <summary>A program under supervision. Its owner reads the three pipes to their ends and then disposes.</summary>
public sealed class SupervisedProcess : IDisposable
{
    private bool _reaped;

    internal SupervisedProcess(int supervisorId, SafeFileHandle output, SafeFileHandle error, SafeFileHandle reports)
    {
        SupervisorId = supervisorId;
        Output = output;
        Error = error;
        Reports = reports;
    }

    /// <summary>Process id of the supervisor, not of the program.</summary>
    public int SupervisorId { get; }

    public SafeFileHandle Output { get; }

    public SafeFileHandle Error { get; }

    /// <summary>Where <see cref="SupervisorReport"/>s come from; at its end nothing of the program is left.</summary>
    public SafeFileHandle Reports { get; }

    /// <summary>Ends the program and all it started. The supervisor then reports as after any end.</summary>
    public void Terminate()
    {
        if (!_reaped)
            _ = Libc.kill(SupervisorId, Libc.SIGTERM);
    }

    /// <summary>Terminates what still runs, waits for its end, and closes the pipes.</summary>
    public void Dispose()
    {
        if (_reaped)
            return;
        Terminate();
        Libc.Reap(SupervisorId);
        _reaped = true;
        Output.Dispose();
        Error.Dispose();
        Reports.Dispose();
    }
}
