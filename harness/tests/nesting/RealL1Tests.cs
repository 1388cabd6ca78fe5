using System.Text;
using Gauntlet.Guests.Images;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Suites;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Nesting;

/// <summary>Debian's kernel as L1 on QEMU's TCG, and what runs in it on its KVM.</summary>
public sealed class RealL1Tests : IDisposable
{
    private readonly AttemptLauncher _launcher = new();

    public void Dispose() => _launcher.Dispose();

    private static Job Smoke(string vmm) => new()
    {
        Suite = "smoke",
        Case = "smoke",
        Cell = new Cell(vmm, L1Supply.Accel, "x86_64"),
        Image = Path.Combine(SourceTree.Require(), "guests", "prebuilt", "x86_64", "smoke.elf"),
    };

    [L1Fact]
    public async Task Programs_and_both_vmms_run_in_one_and_its_panic_is_no_verdict()
    {
        var drivers = DriverRegistry.For([], _launcher);
        var qemu = await drivers.Find("qemu")!.PlanAsync(Smoke("qemu"), "/unused", default);

        var said = await RunAsync(qemu, "test -c /dev/kvm && test ! -w /etc/passwd && touch $TMPDIR/new && echo out && echo err >&2; exit 5");
        Assert.Null(said.InfraFault);
        Assert.Equal((5, "out\n", "err\n"), (said.ExitStatus, Text(said.Console), Text(said.StandardError)));
        var process = said.Diagnostics.GetValueOrDefault("l1-console.log", "");
        Assert.DoesNotContain("gauntlet:", process, StringComparison.Ordinal);
        Assert.Equal(11, (await RunAsync(qemu, "test ! -e $TMPDIR/new && kill -SEGV $$")).Signal);
        Assert.Equal(LimitHit.WallTime, (await RunAsync(qemu, "sleep 1000 & sleep 1000", new AttemptLimits { WallTime = TimeSpan.FromSeconds(1) })).Limit);

        await PassesAsync(qemu);
        if (await drivers.Find("gvmm")!.WhyNotAsync(Smoke("gvmm").Cell, default) is null)
            await PassesAsync(await drivers.Find("gvmm")!.PlanAsync(Smoke("gvmm"), "/unused", default));

        var died = await RunAsync(qemu, "echo PASS: a; echo c >/proc/sysrq-trigger");
        Assert.Contains($"({qemu.L1!.KernelName}) died: ", died.InfraFault, StringComparison.Ordinal);
        Assert.Contains("sysrq", died.InfraFault, StringComparison.Ordinal);
    }

    private async Task PassesAsync(LaunchPlan plan)
    {
        var exit = await RunAsync(plan);
        Assert.Equal((1, null), (exit.ExitStatus, exit.InfraFault));
        Assert.Contains("SUMMARY: 7 tests", Text(exit.Console), StringComparison.Ordinal);
    }

    private Task<AttemptExit> RunAsync(LaunchPlan plan, string script, AttemptLimits? limits = null) => RunAsync(plan with { CommandLine = ["/bin/sh", "-c", script] }, limits);

    private async Task<AttemptExit> RunAsync(LaunchPlan plan, AttemptLimits? limits = null)
    {
        await using var process = _launcher.Start(plan, limits ?? new AttemptLimits());
        return await process.WaitAsync(default);
    }

    private static string Text(KeptOutput output) => Encoding.UTF8.GetString(output.Bytes);
}

/// <summary>A test that boots an L1: skipped where QEMU or Debian's kernel is not to be had.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class L1FactAttribute : FactAttribute
{
    private static readonly Lazy<string?> s_missing = new(FindOut);

    public L1FactAttribute()
    {
        if (s_missing.Value is { } why)
            Skip = why;
    }

    private static string? FindOut()
    {
        try
        {
            if (DriverRegistry.For([]).Find("qemu")!.WhyNotAsync(new Cell("qemu", L1Supply.Accel, "x86_64"), default).GetAwaiter().GetResult() is { } reason)
                return reason;
            DebianPackages.ForUser().UnpackAsync(L1Supply.DefaultKernel, DebianArchitecture.Of("x86_64"), default).GetAwaiter().GetResult();
            return null;
        }
        catch (UserException e)
        {
            return $"Debian's kernel is not to be had: {e.Message}";
        }
    }
}
