using System.Diagnostics;
using Gauntlet.Vmm.Accel.Kvm;

namespace Gauntlet.Vmm.Tests.Gdb;

/// <summary>A test that needs a debugger from outside; skipped where there is none, or no KVM for the one that wants it.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GdbFactAttribute : FactAttribute
{
    public const string Gdb = "/usr/bin/gdb";

    public GdbFactAttribute(bool needsKvm = false)
    {
        if (!File.Exists(Gdb))
            Skip = $"there is no {Gdb}: install gdb";
        else if (needsKvm && KvmAccelerator.WhyUnusable() is { } why)
            Skip = why;
    }
}

/// <summary>Debian's gdb on the program, with one of the guest suites.</summary>
public sealed class DebianGdbTests : IDisposable
{
    /// <summary>Of the stack pointer that the guest library keeps while it expects a fault, in <c>struct cpu</c> (guests/lib/x86_64/cpu.h).</summary>
    private const int RecoveryOffset = 8;

    private readonly string _folder = Directory.CreateTempSubdirectory("gvmm-gdb-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [GdbFact]
    public Task On_tcg_gdb_breaks_steps_watches_and_reads_memory() => DebugAsync("tcg", watches: true);

    /// <summary>No watchpoint: a KVM that emulates a guest's instructions, as some nested ones do, need not find it.</summary>
    [GdbFact(needsKvm: true)]
    public Task On_kvm_gdb_breaks_steps_and_reads_memory() => DebugAsync("kvm", watches: false);

    private async Task DebugAsync(string accel, bool watches)
    {
        var image = GuestProgram.ImageOf("smoke");
        var socket = Path.Combine(_folder, "gdb");
        using var machine = Process.Start(new ProcessStartInfo(GuestProgram.Gvmm,
            ["-accel", accel, "-kernel", image, .. GuestProgram.Bare, "-serial", "null", "-S", "-gdb", $"unix:{socket}", "-qmp", "stdio"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            // QMP's greeting: every socket listens.
            Assert.NotNull(await machine.StandardOutput.ReadLineAsync());
            List<string> commands =
            [
                "set pagination off", "set breakpoint always-inserted on", "set architecture i386:x86-64", $"target remote {socket}",
                "break *main", "continue", "printf \"at main: %d\\n\", $rip == (long)&main",
                "stepi", "printf \"after a step: %d\\n\", $rip - (long)&main",
                "x/1xb &main", "printf \"efer: %x\\n\", $efer & 0x500", "info threads", "monitor info status",
            ];
            if (watches)
                commands.AddRange([$"set $recovery = (long)&cpus + {RecoveryOffset}", "watch *(long*)$recovery", "continue", "printf \"expects a fault: %d\\n\", *(long*)$recovery != 0", "delete"]);
            commands.AddRange(["hbreak *report_summary", "continue", "printf \"at summary: %d\\n\", $rip == (long)&report_summary", "detach"]);
            using var gdb = Process.Start(new ProcessStartInfo(GdbFactAttribute.Gdb, ["-batch", "-nx", .. commands.SelectMany(command => (string[])["-ex", command]), image])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            gdb.StandardInput.Close();
            var errors = gdb.StandardError.ReadToEndAsync();
            var told = gdb.StandardOutput.ReadToEndAsync();
            await GuestProgram.StatusAsync(gdb);
            var output = await told + await errors;
            Assert.True(output.Contains("at main: 1", StringComparison.Ordinal), output);
            // PUSH RBP is one byte.
            Assert.Contains("after a step: 1", output, StringComparison.Ordinal);
            // The guest's own byte, whatever the breakpoint is made of.
            Assert.Contains("<main>:\t0x55", output, StringComparison.Ordinal);
            Assert.Contains("efer: 500", output, StringComparison.Ordinal);
            Assert.Contains("CPU#0 [running]", output, StringComparison.Ordinal);
            Assert.Contains("VM status: paused", output, StringComparison.Ordinal);
            if (watches)
                Assert.True(output.Contains("Old value = 0\n", StringComparison.Ordinal) && output.Contains("expects a fault: 1", StringComparison.Ordinal), output);
            Assert.Contains("at summary: 1", output, StringComparison.Ordinal);
            // Left alone, the guest goes on to its end and reports that all went well.
            Assert.Equal(1, await GuestProgram.StatusAsync(machine));
        }
        finally
        {
            if (!machine.HasExited)
                machine.Kill();
        }
    }
}
