using System.Text.RegularExpressions;
using Gauntlet.Guests.Images;
using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Booting;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Measuring;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Tests.Scheduling;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Booting;

/// <summary>Boots, with shell scripts for VMMs, and one of Debian's kernel on QEMU.</summary>
public sealed class BootTests : IDisposable
{
    private static readonly BootMachine s_machine = new() { Arch = "x86_64", Accel = "tcg", Kernel = "kernel", Initrd = "initrd" };

    private static readonly BootGoal s_goal = new(new Regex("gauntlet: user space"), true, TimeSpan.FromSeconds(60));

    private readonly TemporaryFolder _folder = new();
    private readonly AttemptLauncher _launcher = new();

    public void Dispose()
    {
        _launcher.Dispose();
        _folder.Dispose();
    }

    private Task<BootRecord> BootAsync(string script, BootMachine? machine = null, BootGoal? goal = null) =>
        new BootRunner(_launcher).RunAsync(machine ?? s_machine, _folder.Script("vmm", script), goal ?? s_goal, default);

    private const string Kernel = "echo 'SeaBIOS'; echo '[    0.000000] Linux version 6.1 (gcc)'; echo '[    1.2] Run /init as init process'\n";

    [Fact]
    public async Task The_timeline_is_in_the_order_of_events()
    {
        var boot = await BootAsync(Kernel + "echo 'gauntlet: user space'; echo '[    1.3] reboot: Power down'\n");
        Assert.Equal((BootOutcome.Booted, null), (boot.Outcome, boot.Reason));
        double?[] times = [0, boot.Timeline.FirstByte, boot.Timeline.Kernel, boot.Timeline.UserSpace, boot.Timeline.Marker, boot.Timeline.PowerOff, boot.Timeline.End];
        Assert.All(times, time => Assert.NotNull(time));
        Assert.Equal(times.Order(), times);
    }

    [Fact]
    public async Task A_panic_is_not_waited_for()
    {
        var boot = await BootAsync(Kernel + "echo '[    1.3] Kernel panic - not syncing: no init'; exec sleep 1000\n");
        Assert.Equal(BootOutcome.Panic, boot.Outcome);
        Assert.Contains("no init", boot.Reason, StringComparison.Ordinal);
        Assert.Null(boot.Timeline.Marker);
    }

    [Fact]
    public async Task A_panic_behind_the_marker_is_the_guests_own_affair() =>
        Assert.Equal(BootOutcome.Booted, (await BootAsync(Kernel + "echo 'gauntlet: user space'; echo '[    1.3] Kernel panic - not syncing: Attempted to kill init!'\n")).Outcome);

    [Fact]
    public async Task The_known_hang_in_tsc_calibration_is_told_from_a_hang_of_the_vmm()
    {
        const string hang = Kernel + "echo '[    0.0] tsc: Marking TSC unstable due to could not calculate TSC khz'; while :; do :; done\n";
        var known = await BootAsync(hang, s_machine with { Machine = "microvm" });
        Assert.Equal(BootOutcome.TscCalibrationHang, known.Outcome);
        Assert.Contains("tsc_early_khz", known.Reason, StringComparison.Ordinal);
        // On a machine with a timer to measure by, the same line explains nothing.
        var other = await BootAsync(hang, goal: s_goal with { Limit = TimeSpan.FromSeconds(1) });
        Assert.Equal(BootOutcome.Timeout, other.Outcome);
    }

    [Fact]
    public async Task A_kernel_that_goes_on_behind_that_line_does_not_hang() =>
        Assert.Equal(BootOutcome.Booted, (await BootAsync(
            Kernel + "echo '[    0.0] tsc: Marking TSC unstable due to could not calculate TSC khz'; echo next; echo 'gauntlet: user space'\n", s_machine with { Machine = "microvm" })).Outcome);

    [Fact]
    public async Task A_vmm_that_ends_early_is_told_with_its_words()
    {
        var boot = await BootAsync("echo 'could not load kernel' >&2; exit 1\n");
        Assert.Equal((BootOutcome.Ended, 1), (boot.Outcome, boot.ExitStatus));
        Assert.Contains("could not load kernel", boot.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Guests_at_once_are_all_held_at_the_marker_and_measured_there()
    {
        var boots = await new BootRunner(_launcher).RunTogetherAsync(3, s_machine, _folder.Script("vmm", Kernel + "echo 'gauntlet: user space'; echo 'gauntlet: further'; exec sleep 1000\n"), s_goal, default);
        Assert.Equal(3, boots.Count);
        Assert.All(boots, boot => Assert.Equal(BootOutcome.Booted, boot.Outcome));
        Assert.All(boots, boot => Assert.InRange(boot.Memory!.UssBytes, 1, boot.Memory.RssBytes));
        // Shared pages count in part: less than all, more than none.
        Assert.All(boots, boot => Assert.InRange(boot.Memory!.PssBytes, boot.Memory.UssBytes, boot.Memory.RssBytes));
    }

    [Fact]
    public void Memory_is_that_of_the_kernels_summary() => Assert.Equal(
        new ProcessMemory(3 << 10, 7 << 10, 9 << 10),
        ProcessMemory.Parse(["00400000-7ffe r-xp [rollup]", "Rss:       9 kB", "Pss:       7 kB", "Private_Clean: 1 kB", "Private_Dirty: 2 kB"]));

    [Fact]
    public void Only_a_microvm_under_tcg_is_told_its_frequency()
    {
        Assert.DoesNotContain("tsc_early_khz", s_machine.DefaultAppend, StringComparison.Ordinal);
        Assert.Matches(@" tsc_early_khz=\d{6,8}$", (s_machine with { Machine = "microvm,rtc=on" }).DefaultAppend);
        Assert.DoesNotContain("tsc_early_khz", (s_machine with { Machine = "microvm", Accel = "kvm" }).DefaultAppend, StringComparison.Ordinal);
    }

    [KernelFact]
    public async Task Debians_kernel_boots_to_user_space_and_powers_off()
    {
        var (kernel, initramfs) = await new LinuxRecipe { Architecture = DebianArchitecture.Of("x86_64"), Commands = ["echo $((6 * 7)) is what the shell says"] }.BuildAsync(KernelFactAttribute.Packages, default);
        var said = new List<string>();
        var machine = s_machine with { Kernel = kernel.Image, Initrd = _folder["initramfs"] };
        await File.WriteAllBytesAsync(machine.Initrd, initramfs);
        var boot = await new BootRunner(_launcher, said.Add).RunAsync(machine, ProgramFinder.InPath("qemu-system-x86_64")!, s_goal with { Marker = new Regex("^gauntlet: done 0") }, default);
        Assert.Null(boot.Reason);
        Assert.Contains(said, line => line.Contains("42 is what the shell says", StringComparison.Ordinal));
        Assert.True(boot.Timeline.Kernel < boot.Timeline.UserSpace && boot.Timeline.UserSpace <= boot.Timeline.Marker && boot.Timeline.Marker <= boot.Timeline.PowerOff);
        // The guest's kernel and initramfs alone are more.
        Assert.InRange(boot.Memory!.UssBytes, 16L << 20, 1L << 30);
    }
}

/// <summary>A test that boots Debian's amd64 kernel on QEMU: skipped where one of them is not to be had.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class KernelFactAttribute : FactAttribute
{
    private static readonly Lazy<string?> s_missing = new(FindOut);

    public static DebianPackages Packages { get; } = new(UserCache.Folder("debian"));

    public KernelFactAttribute()
    {
        if (s_missing.Value is { } why)
            Skip = why;
    }

    private static string? FindOut()
    {
        if (ProgramFinder.InPath("qemu-system-x86_64") is null)
            return "qemu-system-x86_64 is not installed (apt-get install qemu-system-x86)";
        try
        {
            var architecture = DebianArchitecture.Of("x86_64");
            Packages.UnpackAsync(architecture.KernelPackage, architecture, default).GetAwaiter().GetResult();
            Packages.UnpackAsync("busybox-static", architecture, default).GetAwaiter().GetResult();
            return null;
        }
        catch (UserException e)
        {
            return $"Debian's kernel is not to be had: {e.Message}";
        }
    }
}
