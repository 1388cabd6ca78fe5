using System.Diagnostics;
using System.Globalization;
using System.Text;
using Gauntlet.Fuzz.Instrument;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Terminal;

namespace Gauntlet.Fuzz.Worker;

/// <summary>
/// Runs kept inputs again, on the plain assemblies, in a process of its own: an input may overflow the stack, end its process or hang, which whoever looks into it
/// must outlive. The process is replaced when it died.
/// </summary>
/// <param name="target">As <see cref="TargetCatalogue.Create"/> takes it.</param>
/// <param name="longest">That a run may take, of the processor; null: as long as when it was fuzzed.</param>
public sealed class ReplayProcess(string target, TimeSpan? longest = null) : IDisposable
{
    /// <summary>The process's word for it: then target, milliseconds.</summary>
    internal const string Worker = "replay";

    // What the process is asked and answers, a line each: a word, then text in base64.
    private const string RunWord = "run", Trace = "trace", Said = "said", Fine = "fine", Failed = "failed";

    // The target cannot be made.
    private const int NoTargetStatus = 73;

    private readonly TimeSpan _longest = longest ?? FuzzRequest.UsualHang;
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-replay-").FullName;
    private Process? _process;
    private Task<string>? _errors;

    /// <summary>What a run of the input came to; null when nothing is wrong.</summary>
    /// <param name="said">Given each operation with its reply as a line, for targets of device programs.</param>
    /// <exception cref="UserException">The process does not start, or does not take inputs.</exception>
    public Finding? Run(byte[] input, Action<string>? said = null)
    {
        var process = _process ??= Start();
        try
        {
            process.StandardInput.WriteLine($"{(said is null ? RunWord : Trace)} {Convert.ToBase64String(input)}");
            process.StandardInput.Flush();
        }
        catch (IOException)
        {
            // It is gone: its end tells why.
        }
        while (process.StandardOutput.ReadLine() is { } line)
        {
            switch (line.Split(' '))
            {
                case [Said, var text]:
                    said?.Invoke(Text(text));
                    break;
                case [Fine]:
                    return null;
                case [Failed, var bucket, var report]:
                    return new Finding(Text(bucket), Text(report));
            }
        }
        process.WaitForExit();
        var (status, errors) = (process.ExitCode, _errors!.GetAwaiter().GetResult().Trim());
        End();
        if (status == NoTargetStatus)
            throw new UserException($"running inputs of {target} again: {errors}", ExitCode.Environment);
        return status == Program.HangStatus ? Finding.Hang(_longest) : Finding.FromDeath(status, errors);
    }

    /// <summary>The next input runs on a process that ran none before.</summary>
    public void Renew() => End();

    public void Dispose()
    {
        End();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>In the process: runs what it is given until there is no more.</summary>
    internal static void Work(string name, TimeSpan longest)
    {
        IFuzzTarget made;
        try
        {
            made = TargetCatalogue.Create(name);
        }
        catch (UserException exception)
        {
            Console.Error.WriteLine(exception.Message);
            Environment.Exit(NoTargetStatus);
            return;
        }
        using var owned = made;
        var (generation, isRunning) = (0L, false);
        Watchdog.Start(() => (Volatile.Read(ref generation), Volatile.Read(ref isRunning)), longest);
        while (Console.ReadLine()?.Split(' ') is [var word, var bytes])
        {
            var input = Convert.FromBase64String(bytes);
            Volatile.Write(ref generation, generation + 1);
            Volatile.Write(ref isRunning, true);
            var finding = Replay.Run(made, input, word == Trace ? (operation, reply) => Console.WriteLine($"{Said} {Base64($"{ProgramText.Line(operation)}  # {Reply(operation, reply)}")}") : null);
            Volatile.Write(ref isRunning, false);
            Console.WriteLine(finding is null ? Fine : $"{Failed} {Base64(finding.Bucket)} {Base64(finding.Report)}");
        }
    }

    private Process Start()
    {
        // The program has none where it is shipped as a part of another.
        var config = Path.Combine(_folder, "runtimeconfig.json");
        File.WriteAllText(config, WovenFolder.RuntimeConfig);
        var program = Path.Combine(AppContext.BaseDirectory, WovenFolder.Program);
        string[] arguments = ["exec", "--runtimeconfig", config, program, Worker, target, _longest.TotalMilliseconds.ToString("0", CultureInfo.InvariantCulture)];
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        // What is compiled again while it runs is inlined otherwise, and a stack then has other frames: the same fault would look like two.
        start.Environment["DOTNET_TieredCompilation"] = "0";
        var process = Process.Start(start)
            ?? throw new IOException("starting dotnet: it did not start");
        _errors = process.StandardError.ReadToEndAsync();
        return process;
    }

    private void End()
    {
        if (_process is not { } process)
            return;
        _process = null;
        if (!process.HasExited)
            process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private static string Reply(in Operation operation, ulong? reply) => reply switch
    {
        null => "left out: this target has no such thing",
        { } value when operation.Kind is OperationKind.Read or OperationKind.PciRead or OperationKind.SampleInterrupts => $"0x{value:x}",
        _ => "done",
    };

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private static string Text(string base64) => Encoding.UTF8.GetString(Convert.FromBase64String(base64));
}
