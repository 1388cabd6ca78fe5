using System.Diagnostics;
using System.Runtime.InteropServices;
using Gauntlet.Linux;
using Gauntlet.Vmm.Tests.Accel.Kvm;

namespace Gauntlet.Vmm.Tests.Gvmm;

/// <summary>A test that needs the sandbox's host.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SandboxTheoryAttribute : TheoryAttribute
{
    public SandboxTheoryAttribute()
    {
        if (SandboxFactAttribute.WhyNot is { } why)
            Skip = why;
    }
}

/// <summary>The same, without data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SandboxFactAttribute : FactAttribute
{
    internal static string? WhyNot => Sandbox.IsSupported ? null : "the sandbox is for x86-64 hosts";

    public SandboxFactAttribute()
    {
        if (WhyNot is { } why)
            Skip = why;
    }
}

public sealed partial class SandboxTests
{
    private const int EPERM = 1, Passed = 1;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [SandboxTheory]
    [InlineData("smoke")]
    [InlineData("smp")]
    [InlineData("strings")]
    [InlineData("lapic")]
    [InlineData("i8254")]
    public void Suites_pass_in_the_sandbox_under_the_translator(string suite) => Assert.Equal(Passed, RunSuite("tcg", suite).Status);

    [KvmTheory]
    [InlineData("smoke")]
    [InlineData("smp")]
    public void Suites_pass_in_the_sandbox_under_kvm(string suite) => Assert.Equal(Passed, RunSuite("kvm", suite).Status);

    [SandboxFact]
    public void Nothing_is_written_to_a_new_file_and_the_reason_is_told()
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-sandbox-").FullName;
        try
        {
            var path = Path.Combine(folder, "snapshot");
            var (_, output) = Run($"savevm {path}\nquit\n", "-machine", "accel=tcg", "-S", "-display", "none", "-monitor", "stdio", "-kernel", Suite("smoke"));
            Assert.Contains("was not written", output, StringComparison.Ordinal);
            Assert.Contains($"-sandbox on,snapshot={path}", output, StringComparison.Ordinal);
            Assert.Empty(Directory.GetFiles(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [SandboxFact]
    public void A_snapshot_is_written_to_the_file_that_was_opened_before_and_taken_again_in_a_sandbox()
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-sandbox-").FullName;
        try
        {
            var path = Path.Combine(folder, "snapshot");
            string[] machine = ["-machine", "accel=tcg", "-m", "4", "-S", "-display", "none", "-monitor", "stdio", "-kernel", Suite("smoke")];
            // Twice: the second one replaces the first.
            var (status, output) = Run($"savevm {path}\nsavevm {path}\nsavevm {path}.other\nquit\n", ["-sandbox", $"on,snapshot={path}", .. machine]);
            Assert.Equal(0, status);
            Assert.Contains($"{path}.other' was not written", output, StringComparison.Ordinal);
            Assert.Equal([path], Directory.GetFiles(folder));
            (status, output) = Run("info status\nquit\n", ["-loadvm", path, .. machine]);
            Assert.True(status == 0, output);
            Assert.Contains("paused", output, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [SandboxFact]
    public void A_thread_in_the_sandbox_gets_no_socket_no_file_to_write_no_signal_to_others_and_still_reads()
    {
        const int AF_UNIX = 1, SOCK_STREAM = 1, O_WRONLY = 1, O_CREAT = 0x40, O_RDONLY = 0, TIOCSTI = 0x5412;
        var answers = new List<(string What, nint Answer, int Error)>();
        // Of its own: what a thread gave up it never gets back.
        var thread = new Thread(() =>
        {
            Sandbox.EnterThisThread();
            Note("socket", socket(AF_UNIX, SOCK_STREAM, 0));
            Note("create", open("/tmp/gauntlet-sandbox-must-not-be", O_WRONLY | O_CREAT, 0x180));
            Note("write", open("/dev/null", O_WRONLY, 0));
            Note("kill", kill(Environment.ProcessId, 0));
            Note("tgkill", Libc.tgkill(1, 1, 0));
            Note("push", ioctl(0, TIOCSTI, 0));
            Note("chmod", chmod("/dev/null", 0x1b6));
            var readable = open("/proc/self/stat", O_RDONLY, 0);
            answers.Add(("read", readable, 0));
            _ = Libc.close(readable);
        });
        thread.Start();
        thread.Join();
        Assert.Equal(8, answers.Count);
        Assert.All(answers[..^1], answer => Assert.True(answer is { Answer: -1, Error: EPERM }, $"{answer.What}: {answer.Answer}, errno {answer.Error}"));
        Assert.True(answers[^1].Answer >= 0);
        Assert.False(File.Exists("/tmp/gauntlet-sandbox-must-not-be"));

        void Note(string what, nint answer) => answers.Add((what, answer, Marshal.GetLastPInvokeError()));
    }

    [SandboxFact]
    public void What_only_an_intruder_asks_for_ends_the_process()
    {
        const uint killProcess = 0x80000000, allow = 0x7fff0000, denied = 0x50001;
        foreach (var number in (int[])[59, 322, 57, 58, 101, 310, 321, 425])
            Assert.Equal(killProcess, Evaluate(number));
        // The 32-bit table, and x32's numbers: the same numbers mean other calls there.
        Assert.Equal(killProcess, Evaluate(0, architecture: 0x40000003));
        Assert.Equal(killProcess, Evaluate(0x40000000));
        Assert.Equal(allow, Evaluate(0));
        Assert.Equal(denied, Evaluate(41));
        // clone: threads, no processes.
        Assert.Equal(allow, Evaluate(56, 0x3d0f00));
        Assert.Equal(denied, Evaluate(56, 0x11));
        for (var number = 0; number < 512; number++)
            Assert.Contains(Evaluate(number) & 0xffff0000, (uint[])[killProcess, allow, 0x50000]);
    }

    // Classic BPF as the kernel runs it, for the instructions that the filter has.
    private static uint Evaluate(int number, uint firstArgument = 0, uint architecture = 0xc000003e)
    {
        var data = new uint[16];
        (data[0], data[1], data[4]) = ((uint)number, architecture, firstArgument);
        var program = SandboxRules.Compile(Environment.ProcessId);
        uint accumulator = 0;
        for (var at = 0; ; at++)
        {
            var (code, ifTrue, ifFalse, operand) = program[at];
            switch (code)
            {
                case 0x20:
                    accumulator = data[operand / 4];
                    break;
                case 0x54:
                    accumulator &= operand;
                    break;
                case 0x06:
                    return operand;
                default:
                    at += (code switch { 0x15 => accumulator == operand, 0x35 => accumulator >= operand, _ => (accumulator & operand) != 0 }) ? ifTrue : ifFalse;
                    break;
            }
        }
    }

    private static string Suite(string name) => Path.Combine(AppContext.BaseDirectory, "suites", name + ".elf");

    private static (int Status, string Output) RunSuite(string accelerator, string suite) => Run(
        "", "-machine", $"accel={accelerator}", "-smp", "2", "-m", "32", "--no-reboot", "-nodefaults", "-display", "none", "-serial", "stdio",
        "-device", "pc-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "-kernel", Suite(suite), "-append", suite);

    private static (int Status, string Output) Run(string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", ["exec", Path.Combine(AppContext.BaseDirectory, "gvmm.dll"), "-sandbox", "on", .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(s_patience))
        {
            process.Kill();
            Assert.Fail($"gvmm did not end; {output.Result} {error.Result}");
        }
        return (process.ExitCode, output.Result + error.Result);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, int mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int kill(int process, int signal);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ioctl(int descriptor, nuint request, nint argument);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chmod(string path, int mode);
}
