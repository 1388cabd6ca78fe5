using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Harness.Drivers;
using Gauntlet.Terminal;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Tests.Qemu;

/// <summary>With a QEMU that is installed.</summary>
public sealed class QemuDeviceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-fuzz-tests-").FullName;

    private static string Program => ProgramFinder.InPath("qemu-system-x86_64")!;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [QemuFact]
    public void A_device_is_found_by_its_name_with_its_drive_its_registers_and_its_place_on_the_bus()
    {
        var device = QemuDevice.Probe(Program, "q35", "virtio-blk-pci");

        Assert.Contains(device.Command.Devices, option => option.Contains("drive=d0", StringComparison.Ordinal));
        Assert.Single(device.Functions);
        var common = Assert.Single(device.Windows, window => window.Name.StartsWith("virtio-pci-common", StringComparison.Ordinal));
        using var process = new QemuProcess(device.Command);
        // The number of queues (Virtual I/O Device 1.2, 4.1.4.3) is not zero, once the setup has mapped it.
        var replies = process.Run([.. device.Setup, Operation.Read(AddressSpace.Mmio, common.Base + 0x12, 2)]);
        Assert.InRange(replies[^1], 1UL, 1024UL);
    }

    // An NVMe drive has MSI-X (NVM Express 1.4, 2.4).
    [QemuFact]
    public void A_function_tells_its_capabilities() => Assert.Contains(QemuDevice.Probe(Program, "q35", "nvme").Capabilities, capability => capability.Id == 0x11 && capability.Offset >= 0x40);

    // Vendor and device of both host bridges, and of the function under test.
    [QemuTheory]
    [InlineData("pc", 0x12378086UL)]
    [InlineData("q35", 0x29c08086UL)]
    public void Configuration_space_is_read_and_written_on_both_machines(string machine, ulong bridge)
    {
        var device = QemuDevice.Probe(Program, machine, "edu");
        var function = Assert.Single(device.Functions);
        using var process = new QemuProcess(device.Command);

        var replies = process.Run(
        [
            Operation.PciRead(0, 0, 4), Operation.Write(AddressSpace.Port, 0x80, 1, 0), Operation.PciRead(function, 2, 2), Operation.SampleInterrupts(),
            Operation.PciWrite(function, 0x3c, 1, 0x5a), Operation.PciRead(function, 0x3c, 1),
        ]);

        // One reply for each that qtest can say.
        Assert.Equal([bridge, 0, 0x11e8, 0, 0x5a], replies);
        Assert.Equal(5, process.Answered);
    }

    // MSI of edu (docs/specs/edu.rst) has 64-bit addresses and no masks.
    [QemuFact]
    public void A_device_tells_the_registers_of_its_header_and_of_each_capability()
    {
        var device = QemuDevice.Probe(Program, "q35", "edu");
        var (function, msi) = (Assert.Single(device.Functions), Assert.Single(device.Capabilities, static capability => capability.Id == PciCapability.Msi).Offset);

        Assert.All(((int, int)[])[(4, 2), (0x10, 4), (0x24, 4), (msi + 2, 2), (msi + 4, 4), (msi + 8, 4), (msi + 0xc, 2)], wanted => Assert.Contains(new PciRegister(function, wanted.Item1, wanted.Item2), device.Registers));
        Assert.DoesNotContain(device.Registers, register => register.Offset == msi + 0x10);
    }

    [QemuFact]
    public void A_part_of_the_board_is_found_by_the_name_of_its_region() =>
        Assert.Contains(QemuDevice.Probe(Program, "q35", "hpet").Windows, window => window is { Name: "hpet", Base: 0xfed00000 });

    [QemuFact]
    public void A_device_that_there_is_not_is_refused() =>
        Assert.Contains("no such device", Assert.Throws<UserException>(() => QemuDevice.Probe(Program, "q35", "frobnicator")).Message, StringComparison.Ordinal);

    [QemuFact]
    public void What_a_program_writes_to_memory_outlives_a_reset_of_the_machine()
    {
        using var process = new QemuProcess(new QemuCommand(Program, "q35", []));
        process.Run([Operation.WriteMemory(QemuPrograms.Arena, [0x12, 0x34])]);
        process.Reset();

        Assert.Equal([0x3412UL], process.Run([Operation.Read(AddressSpace.Mmio, QemuPrograms.Arena, 2)]));
    }

    // What a socket holds is less.
    [QemuFact]
    public void A_program_of_any_length_gets_all_its_replies()
    {
        using var process = new QemuProcess(new QemuCommand(Program, "q35", []));
        List<Operation> program = [];
        for (var i = 0; i < 40; i++)
        {
            program.AddRange(Enumerable.Repeat(Operation.Read(AddressSpace.Port, 0x80, 1), 50));
            program.Add(QemuPrograms.Pause);
        }

        Assert.Equal(program.Count, process.Run(program).Count);
        Assert.Equal(program.Count, process.Answered);
    }

    [QemuFact]
    public void Fuzzing_keeps_programs_that_make_the_device_trace_something_new_and_goes_on_from_them()
    {
        var device = QemuDevice.Probe(Program, "q35", "virtio-rng-pci");
        var output = new OutputDirectory(_folder);
        var fuzzer = new QemuFuzzer(device, output, new QemuBuckets(Path.Combine(_folder, "buckets")), 1);
        // A busy host may not come to a program in a second.
        for (var turn = 0; turn < 60 && output.Inputs("queue").Count == 0; turn++)
            fuzzer.Run(TimeSpan.FromSeconds(1), () => TimeSpan.Zero, static _ => { }, CancellationToken.None);

        var kept = output.Inputs("queue");
        Assert.NotEmpty(kept);
        Assert.True(fuzzer.Progress.Features >= kept.Count);
        Assert.All(kept, path => Assert.NotEmpty(ProgramText.Parse(File.ReadAllText(path))));
        Assert.Equal(kept.Count, new QemuFuzzer(device, new OutputDirectory(_folder), new QemuBuckets(Path.Combine(_folder, "buckets")), 2).Progress.Corpus);
    }

    [QemuFact]
    public void The_shell_command_of_a_bug_report_runs_as_it_stands()
    {
        var command = new QemuCommand(Program, "q35", []);
        var script = QemuScript.From([Operation.Write(AddressSpace.Port, 0x80, 1, 1), Operation.Reset()]);

        Assert.Equal("outb 0x80 0x1\n", script);
        Assert.Equal("outl 0xcf8 0x80001004\noutw 0xcfc 0x7\n", QemuScript.From([Operation.PciWrite(2 << 3, 4, 2, 7)]));
        Assert.Null(QemuScript.Play(command, script));
        Assert.Contains("cat <<'EOF' | qemu-system-x86_64 -machine q35,", command.ShellCommand(script), StringComparison.Ordinal);
    }

    // edu (docs/specs/edu.rst) ends QEMU when its DMA leaves its buffer, on purpose; a tenth of a second after it was started.
    [QemuFact]
    public void A_death_by_a_timer_long_after_its_cause_is_made_small_too()
    {
        var device = QemuDevice.Probe(Program, "q35", "edu");
        var registers = device.Windows.Single(window => window.Space == AddressSpace.Mmio).Base;
        List<Operation> program = [.. device.Setup];
        for (var i = 0; i < 40; i++)
            program.Add(Operation.Read(AddressSpace.Mmio, registers, 4));
        foreach (var (register, value) in ((ulong, ulong)[])[(0x80, 0x1000), (0x88, 0x9999), (0x90, 16), (0x98, 1)])
            program.Add(Operation.Write(AddressSpace.Mmio, registers + register, 4, value));

        var judged = new QemuTriage(device.Command).Judge(program, 128 + 6, null);

        Assert.StartsWith("hardware error: EDU: DMA range", judged?.Failure.Bucket, StringComparison.Ordinal);
        Assert.InRange(judged!.Value.Program.Count, 1, 8);
    }

    [QemuFact]
    public void Devices_with_rings_start_from_what_a_driver_does()
    {
        var device = QemuDevice.Probe(Program, "q35", "nvme");
        var seed = QemuSeeds.For(device)[0];
        var registers = Assert.Single(device.Windows, window => window.Name == "nvme").Base;
        using var process = new QemuProcess(device.Command);
        // CSTS.RDY (NVM Express 1.4, 3.1.6).
        var replies = process.Run([.. device.Setup, .. seed, Operation.Read(AddressSpace.Mmio, registers + 0x1c, 4)]);
        Assert.Equal(1UL, replies[^1] & 1);
        Assert.InRange(seed.Count, 1, QemuPrograms.MaxOperations);
    }

    // MSI-X Enable is bit 15 of the word at 2 (PCI Local Bus Specification 3.0, 6.8.2.3).
    [Fact]
    public void Programs_turn_MSI_X_on_and_off_where_a_function_has_it()
    {
        const int Function = 1 << 3;
        var device = new QemuDevice("any", new QemuCommand("qemu", "q35", []), [], [Function], []) { Capabilities = [new PciCapability(Function, 0xa0, PciCapability.MsiX)] };
        var programs = new QemuPrograms(new FuzzRandom(1), device);

        var written = new HashSet<ulong>();
        for (var i = 0; i < 300; i++)
        {
            foreach (var operation in programs.Mutate(programs.New(), []))
            {
                if (operation is { Kind: OperationKind.PciWrite, Address: Function << 8 | 0xa2, Size: 2 })
                    written.Add(operation.Value);
            }
        }

        Assert.Contains(0x8000UL, written);
        Assert.Contains(0UL, written);
    }

    [Fact]
    public void A_device_that_is_not_known_has_no_first_programs() =>
        Assert.Empty(QemuSeeds.For(new QemuDevice("edu", new QemuCommand("qemu", "q35", []), [], [], [])));
}
