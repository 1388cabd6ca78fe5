using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Harness.Tests.Measuring;
using Gauntlet.Harness.Tests.Scheduling;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Tests.Drivers;

public sealed class DriverTests
{
    private static readonly VmmProbe Probe = new("/usr/bin/qemu", "9.1.0", ["kvm", "tcg"], ["pc", "virt"], [], null);

    [Fact]
    public void The_command_line_is_the_one_of_kvm_unit_tests_runner()
    {
        var job = Job("x86_64") with { Smp = 2, Append = "a b", Initrd = "/env", VmmArguments = ["-cpu", "max"] };
        var line = string.Join(' ', QemuCommandLine.Build(job, Probe, KvmKind.None, "/q", _ => null));
        Assert.Equal(
            "/usr/bin/qemu --no-reboot -nodefaults -global kvm-pit.lost_tick_policy=discard -device pc-testdev -device isa-debug-exit,iobase=0xf4,iosize=0x4"
            + " -display none -serial stdio -device pci-testdev -machine accel=tcg -kernel /image -smp 2 -append a b -cpu max -initrd /env -qmp unix:/q,server=on,wait=off", line);
    }

    [Theory]
    [InlineData("aarch64", "-machine virt -accel tcg -cpu max")]
    [InlineData("riscv64", "-machine virt -accel tcg -cpu max")]
    public void Other_architectures_have_theirs(string arch, string part) =>
        Assert.Contains(part, string.Join(' ', QemuCommandLine.Build(Job(arch), Probe, KvmKind.None, "/q", _ => null)), StringComparison.Ordinal);

    [Theory]
    [InlineData("x86_64", "-machine accel=tcg -cpu qemu64,+svm,+npt -kernel", "addr=0x7000000,force-raw=on")]
    [InlineData("aarch64", "-machine virt,virtualization=on -accel tcg -cpu max", "addr=0x44000000,force-raw=on")]
    [InlineData("riscv64", "-machine virt -accel tcg -cpu rv64,h=true", "addr=0x84000000,force-raw=on")]
    public void Nested_the_L1_is_the_kernel_and_the_image_lies_in_memory(string arch, string machine, string place)
    {
        var line = string.Join(' ', QemuCommandLine.Build(Job(arch, "nested") with { Image = "/a,b" }, Probe, KvmKind.None, "/q", _ => null));
        Assert.Contains(machine, line, StringComparison.Ordinal);
        Assert.Contains($"-kernel {NestedGuest.Image(arch)} -device loader,file=/a,,b,{place}", line, StringComparison.Ordinal);
    }

    [Fact]
    public void The_L1_runs_on_a_KVM_that_offers_SVM_and_else_on_TCG()
    {
        var (hardware, software) = (new KvmHost(KvmKind.Hardware, null), new KvmHost(KvmKind.Software, null));
        var cell = new Cell("qemu", "nested", "x86_64");
        Assert.Equal("kvm", NestedGuest.OuterAccel(cell, hardware, "1\n"));
        Assert.Equal("kvm", NestedGuest.OuterAccel(cell, hardware, "Y"));
        Assert.Equal("tcg", NestedGuest.OuterAccel(cell, hardware, "0"));
        Assert.Equal("tcg", NestedGuest.OuterAccel(cell, hardware, null));
        Assert.Equal("tcg", NestedGuest.OuterAccel(cell, software, "1"));
        Assert.Equal("tcg", NestedGuest.OuterAccel(cell with { Arch = "riscv64" }, hardware, "1"));
    }

    [Fact]
    public void What_cannot_run_an_L1_says_why()
    {
        var qemu = new Cell("qemu", "nested", "x86_64");
        Assert.Null(NestedGuest.WhyNot(qemu, Probe, "tcg"));
        Assert.Contains("no L1 hypervisor for s390x", NestedGuest.WhyNot(qemu with { Arch = "s390x" }, Probe, "tcg"), StringComparison.Ordinal);
        Assert.Contains("gvmm emulates no virtualization extension", NestedGuest.WhyNot(qemu with { Vmm = "gvmm" }, Probe, "tcg"), StringComparison.Ordinal);
        Assert.Contains("without tcg", NestedGuest.WhyNot(qemu, Probe with { Accelerators = ["kvm"] }, "tcg"), StringComparison.Ordinal);
    }

    [Fact]
    public void In_an_L1_the_command_is_that_for_kvm_without_a_socket_that_nobody_can_reach()
    {
        var line = string.Join(' ', QemuCommandLine.Build(Job("x86_64", "nested-linux"), Probe, KvmKind.Hardware, null, _ => null));
        Assert.Contains("-machine accel=kvm -kernel /image", line, StringComparison.Ordinal);
        Assert.DoesNotContain("-qmp", line, StringComparison.Ordinal);
    }

    [QemuFact]
    public async Task What_cannot_run_in_a_Linux_booted_for_it_says_why()
    {
        using var launcher = new AttemptLauncher();
        var qemu = DriverRegistry.For([], launcher).Find("qemu")!;
        var cell = new Cell("qemu", "nested-linux", "x86_64");
        Assert.Contains("not for riscv64 on", await qemu.WhyNotAsync(cell with { Arch = "riscv64" }, default), StringComparison.Ordinal);
        Assert.Contains("/no/bzImage is not there", await qemu.WhyNotAsync(cell with { HostKernel = "/no/bzImage" }, default), StringComparison.Ordinal);
        Assert.Contains("nested-linux boots others", await qemu.WhyNotAsync(cell with { Accel = "tcg", HostKernel = "/no/bzImage" }, default), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_riscv_has_no_max_cpu_the_generic_one_is_taken()
    {
        var old = Probe with { Cpus = ["rv64-riscv-cpu", "sifive-u54-riscv-cpu"] };
        Assert.Contains("-cpu rv64", string.Join(' ', QemuCommandLine.Build(Job("riscv64"), old, KvmKind.None, "/q", _ => null)), StringComparison.Ordinal);
        var chosen = QemuCommandLine.Build(Job("riscv64"), old, KvmKind.None, "/q", name => name == "TARGET_CPU_OVERRIDE" ? "sifive-u54" : null);
        Assert.Contains("sifive-u54", chosen);
    }

    [Fact]
    public void On_a_software_kvm_the_host_cpu_hides_what_makes_qemu_abort()
    {
        var job = Job("x86_64", "kvm") with { VmmArguments = ["-cpu", "host,hv_passthrough"] };
        Assert.Contains("host,hv_passthrough,arch-capabilities=off", QemuCommandLine.Build(job, Probe, KvmKind.Software, "/q", _ => null));
        Assert.Contains("host,hv_passthrough", QemuCommandLine.Build(job, Probe, KvmKind.Hardware, "/q", _ => null));
    }

    [Theory]
    [InlineData("-m 2048", 2048)]
    [InlineData("-m 4g", 4096)]
    [InlineData("-m size=1G,slots=2", 1024)]
    [InlineData("-m 1 -m 64M", 64)]
    [InlineData("-m junk", 128)]
    [InlineData("-m 99999999999999999g", 128)]
    [InlineData("", 128)]
    public void The_memory_is_read_from_the_arguments(string arguments, long mebibytes) =>
        Assert.Equal((mebibytes + 256) << 20, QemuCommandLine.MemoryBytes(arguments.Split(' ')));

    [Fact]
    public async Task A_missing_program_is_a_reason_to_skip()
    {
        using var launcher = new AttemptLauncher();
        var drivers = DriverRegistry.For([new VmmDeclaration { Name = "qemu", Program = "/no/such/qemu-{arch}" }], launcher);
        var reason = await drivers.Find("qemu")!.WhyNotAsync(new Cell("qemu", "tcg", "x86_64"), default);
        Assert.Contains("/no/such/qemu-x86_64", reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_probe_is_kept_until_the_program_changes()
    {
        using var folder = new TemporaryFolder();
        var program = folder.Script("vmm", "exit 0");
        var cache = new ProbeCache(folder["cache"]);
        Assert.Null(cache.Find(program, "x86_64"));
        cache.Keep(program, "x86_64", Probe with { Cpus = ["a"] });
        var kept = cache.Find(program, "x86_64")!;
        Assert.Equal(("9.1.0", "a"), (kept.Version, kept.Cpus[0]));
        Assert.Null(cache.Find(program, "aarch64"));
        File.AppendAllText(program, "# newer\n");
        Assert.Null(cache.Find(program, "x86_64"));
    }

    [Fact]
    public void A_damaged_cache_is_as_none()
    {
        using var folder = new TemporaryFolder();
        var program = folder.Script("vmm", "exit 0");
        var cache = new ProbeCache(folder["cache"]);
        cache.Keep(program, "x86_64", Probe);
        var file = Assert.Single(Directory.GetFiles(folder["cache"]));
        foreach (var damage in (string[])["", "{", "[]", "{\"Schema\":99}", "\0\0"])
        {
            File.WriteAllText(file, damage);
            Assert.Null(cache.Find(program, "x86_64"));
        }
    }

    [Fact]
    public async Task A_command_without_a_place_for_what_a_case_needs_is_a_skip()
    {
        var driver = new CommandDriver(new VmmDeclaration { Name = "tiny", Command = CommandTemplate.Create([["/bin/true"], ["{kernel}"]]) });
        var error = await Assert.ThrowsAsync<CannotRunException>(() => driver.PlanAsync(Job("x86_64") with { Append = "x" }, "/tmp", default));
        Assert.Contains("{append}", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<CannotRunException>(() => driver.PlanAsync(Job("x86_64") with { VmmArguments = ["-x"] }, "/tmp", default));
        Assert.Equal(["/bin/true", "/image"], (await driver.PlanAsync(Job("x86_64"), "/tmp", default)).CommandLine);
    }

    [Fact]
    public void The_kvm_of_this_host_is_told_one_way_or_the_other()
    {
        var kvm = KvmHost.Probe();
        Assert.Equal(kvm.Kind == KvmKind.None, kvm.Problem is not null);
    }

    [QemuFact]
    public async Task The_installed_qemu_tells_what_it_can_do()
    {
        using var launcher = new AttemptLauncher();
        var probe = await new QemuProbe(launcher).AskAsync(QemuFactAttribute.Program!, default);
        Assert.Null(probe.Problem);
        Assert.Contains("tcg", probe.Accelerators);
        Assert.Contains("q35", probe.Machines);
        Assert.Contains("isa-debug-exit", probe.Devices);
        Assert.Contains("max-x86_64-cpu", probe.Cpus);
        Assert.Matches(@"^\d+\.\d+\.\d+$", probe.Version);
    }

    [QemuFact]
    public async Task A_hung_guest_is_described_by_registers_and_symbol_before_it_is_ended()
    {
        using var folder = new TemporaryFolder();
        // cli; spin: jmp spin
        var image = folder.Write("spin.elf", TinyElf.Build([0xfa, 0xeb, 0xfe], 0x100010, ("start", 0x100010), ("spin", 0x100011)));
        var exit = await RunQemuAsync(folder, image, new AttemptLimits { WallTime = TimeSpan.FromSeconds(1.5) });
        Assert.Equal(LimitHit.WallTime, exit.Limit);
        Assert.Contains("spin", exit.Diagnostics["where.txt"], StringComparison.Ordinal);
        Assert.Contains("EIP=00100011", exit.Diagnostics["registers.txt"], StringComparison.Ordinal);
        Assert.Contains("human-monitor-command", exit.Diagnostics["qmp.log"], StringComparison.Ordinal);
    }

    [QemuFact]
    public async Task A_guest_that_spins_in_place_is_ended_before_its_limit_and_one_that_counts_is_not()
    {
        using var folder = new TemporaryFolder();
        var limits = new AttemptLimits { CpuTime = TimeSpan.FromSeconds(60), StallWatchAfter = TimeSpan.FromMilliseconds(200) };
        var spin = folder.Write("spin.elf", TinyElf.Build([0xfa, 0xeb, 0xfe], 0x100010, ("spin", 0x100011)));
        Assert.Equal(LimitHit.Stalled, (await RunQemuAsync(folder, spin, limits)).Limit);
        // count: inc eax; jmp count
        var count = folder.Write("count.elf", TinyElf.Build([0xfa, 0x40, 0xeb, 0xfd], 0x100010, ("count", 0x100011)));
        Assert.Equal(LimitHit.CpuTime, (await RunQemuAsync(folder, count, limits with { CpuTime = TimeSpan.FromSeconds(3) })).Limit);
    }

    private static async Task<AttemptExit> RunQemuAsync(TemporaryFolder folder, string image, AttemptLimits limits)
    {
        using var launcher = new AttemptLauncher();
        var driver = DriverRegistry.For([], launcher).Find("qemu")!;
        var plan = await driver.PlanAsync(Job("x86_64") with { Image = image }, folder.Path, default);
        await using var process = launcher.Start(plan, limits);
        var exit = await process.WaitAsync(default);
        File.Delete(plan.QmpSocket!);
        return exit;
    }

    private static Job Job(string arch, string accel = "tcg") => new() { Suite = "s", Case = "c", Cell = new Cell("qemu", accel, arch), Image = "/image" };
}

/// <summary>Needs QEMU for x86-64.</summary>
public sealed class QemuFactAttribute : FactAttribute
{
    public QemuFactAttribute()
    {
        if (Program is null)
            Skip = "qemu-system-x86_64 is not installed (apt-get install qemu-system-x86)";
    }

    public static string? Program => ProgramFinder.InPath("qemu-system-x86_64");
}
