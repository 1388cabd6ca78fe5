using System.Diagnostics;

namespace Gauntlet.Vmm.Tests.Guests;

/// <summary>One of the prebuilt guests in a VMM's process of its own, as a user starts it.</summary>
internal sealed class GuestProgram : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    private readonly Process _process;

    private GuestProgram(Process process) => _process = process;

    /// <summary>gvmm as it was built with these tests.</summary>
    public static string Gvmm => Path.Combine(AppContext.BaseDirectory, "gvmm");

    public static string Qemu => "qemu-system-x86_64";

    /// <summary>Runs a guest to its end and returns what it printed; fails unless its checks passed.</summary>
    public static async Task<string> PassAsync(string vmm, string image, string append, params string[] devices)
    {
        using var program = Start(vmm, image, append, devices);
        using var limit = new CancellationTokenSource(Limit);
        var errors = program._process.StandardError.ReadToEndAsync(limit.Token);
        var output = await program._process.StandardOutput.ReadToEndAsync(limit.Token);
        await program._process.WaitForExitAsync(limit.Token);
        Assert.True(program._process.ExitCode == 1, $"{vmm}: status {program._process.ExitCode}\n{output}{await errors}");
        return output;
    }

    public static GuestProgram Start(string vmm, string image, string append, params string[] devices)
    {
        string[] accelerators = devices.Contains("-accel") ? [] : ["-accel", "kvm", "-accel", "tcg"];
        string[] arguments =
        [
            "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4", .. accelerators,
            "-kernel", Path.Combine(AppContext.BaseDirectory, "suites", image + ".elf"), "-append", append, .. devices,
        ];
        var start = new ProcessStartInfo(vmm, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        return new GuestProgram(Process.Start(start)!);
    }

    /// <summary>Reads its console up to the n-th line with this text.</summary>
    public async Task AwaitLineAsync(string text, int count = 1)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (count > 0)
        {
            var line = await _process.StandardOutput.ReadLineAsync(limit.Token);
            if (line is null)
                Assert.Fail($"it ended before '{text}': {await _process.StandardError.ReadToEndAsync(limit.Token)}");
            count -= line.Contains(text, StringComparison.Ordinal) ? 1 : 0;
        }
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }
}

/// <summary>A test that compares with QEMU; skipped where it or its qemu-img is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class QemuTheoryAttribute : TheoryAttribute
{
    public QemuTheoryAttribute()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        foreach (var program in (string[])[GuestProgram.Qemu, "qemu-img"])
        {
            if (!folders.Any(folder => File.Exists(Path.Combine(folder, program))))
                Skip = $"{program} is not on PATH: install qemu-system-x86 and qemu-utils";
        }
    }
}
