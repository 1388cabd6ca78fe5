using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Terminal;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Fuzz.Worker;

/// <summary>
/// Lets afl-fuzz drive a target: the fork server's side of its handshake, with inputs and coverage in its shared memory (AFL++, instrumentation/README.persistent_mode.md
/// and include/types.h). No process is forked: a worker that holds the woven assemblies runs one input after another, and is replaced when it dies.
/// </summary>
public static partial class AflServer
{
    private const int ControlDescriptor = 198, StatusDescriptor = 199, MapBytes = 65_536;

    // FS_OPT_ENABLED and FS_OPT_SHDMEM_FUZZ: inputs come in shared memory.
    private const uint Hello = 0x81000001;

    // A wait status whose low bits are a signal: AFL counts it as a crash.
    private const int CrashStatus = 11, KilledStatus = 9;

    private const string MapVariable = "__AFL_SHM_ID", InputVariable = "__AFL_SHM_FUZZ_ID";

    /// <summary>Serves until afl-fuzz goes away.</summary>
    /// <exception cref="UserException">Not started by afl-fuzz, or the target is unknown.</exception>
    public static int Serve(string target)
    {
        if (Environment.GetEnvironmentVariable(MapVariable) is null)
            throw new UserException($"fuzz afl {target}: afl-fuzz did not start this; `AFL_SKIP_BIN_CHECK=1 afl-fuzz -i SEEDS -o OUT -- gauntlet fuzz afl {target}` does");
        using (TargetCatalogue.Create(target))
        {
        }
        var folder = Path.Combine(Path.GetTempPath(), $"gauntlet-fuzz-{Guid.NewGuid():n}");
        try
        {
            WovenFolder.Create(folder, TargetCatalogue.UnderTest(target), []);
            using var control = new FileStream(new SafeFileHandle(ControlDescriptor, ownsHandle: false), FileAccess.Read, bufferSize: 0);
            using var status = new FileStream(new SafeFileHandle(StatusDescriptor, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            Say(status, unchecked((int)Hello));
            Span<byte> word = stackalloc byte[4];
            // What afl-fuzz agrees to.
            if (control.ReadAtLeast(word, 4, throwOnEndOfStream: false) < 4)
                return ExitCode.Success;
            Process? worker = null;
            while (control.ReadAtLeast(word, 4, throwOnEndOfStream: false) == 4)
            {
                worker ??= Start(folder, target);
                Say(status, worker.Id);
                Say(status, RunOne(ref worker));
            }
            worker?.Kill();
            return ExitCode.Success;
        }
        finally
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The worker's side: a byte in for each input, its status out.</summary>
    internal static unsafe void Work(string name)
    {
        CoverageRuntime.Map = (byte*)Attach(MapVariable);
        var shared = (byte*)Attach(InputVariable);
        using var target = TargetCatalogue.Create(name);
        using var asked = Console.OpenStandardInput();
        using var told = Console.OpenStandardOutput();
        while (asked.ReadByte() >= 0)
        {
            var input = new ReadOnlySpan<byte>(shared + sizeof(int), BinaryPrimitives.ReadInt32LittleEndian(new ReadOnlySpan<byte>(shared, sizeof(int))));
            byte status = 0;
            try
            {
                target.Run(input);
            }
            catch (Exception)
            {
                status = CrashStatus;
            }
            told.WriteByte(status);
            told.Flush();
        }
    }

    private static int RunOne(ref Process? worker)
    {
        try
        {
            worker!.StandardInput.BaseStream.WriteByte(1);
            worker.StandardInput.BaseStream.Flush();
            if (worker.StandardOutput.BaseStream.ReadByte() is >= 0 and var status)
                return status;
        }
        catch (IOException)
        {
        }
        // afl-fuzz kills it when it takes too long; else it died of the input.
        worker!.WaitForExit();
        var ended = worker.ExitCode == 128 + KilledStatus ? KilledStatus : CrashStatus;
        worker.Dispose();
        worker = null;
        return ended;
    }

    private static Process Start(string folder, string target) =>
        Process.Start(new ProcessStartInfo("dotnet", ["exec", Path.Combine(folder, WovenFolder.Program), Program.AflWorker, target]) { RedirectStandardInput = true, RedirectStandardOutput = true })
        ?? throw new IOException("starting dotnet: it did not start");

    private static void Say(FileStream to, int value)
    {
        Span<byte> word = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(word, value);
        to.Write(word);
    }

    private static nint Attach(string variable)
    {
        if (!int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            throw new InvalidOperationException($"{variable} names no shared memory");
        var address = shmat(id, 0, 0);
        return address != -1 ? address : throw new InvalidOperationException($"shared memory {id} of {variable} cannot be attached");
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint shmat(int id, nint address, int flags);
}
