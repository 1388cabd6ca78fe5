using System.Diagnostics;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.MachineTests;

/// <summary>QEMU, docs/system/i386/microvm.rst: what is there, what is not, and how a kernel learns of it.</summary>
public sealed class MicrovmTests
{
    [Fact]
    public void There_is_no_pci_and_virtio_devices_are_where_the_board_says()
    {
        using var board = NewBoard(hasAcpi: true);
        for (var i = 0; i < MicrovmBoard.MaxVirtio; i++)
            board.AddVirtio(NewRng(board));
        Assert.Throws<InvalidOperationException>(() => board.AddVirtio(NewRng(board)));
        var bus = board.Machine.Bus;
        lock (bus.DeviceLock)
        {
            bus.WritePort(0xcf8, 4, 0x80000000);
            Assert.Equal(uint.MaxValue, bus.ReadPort(0xcfc, 4));
            Assert.All(board.VirtioPlaces, place => Assert.Equal("virt"u8.ToArray(), BitConverter.GetBytes((uint)bus.ReadMmio(place.Address, 4))));
        }
        Assert.Distinct(board.VirtioPlaces.Select(place => place.Irq));
    }

    [Fact]
    public void A_virtio_device_interrupts_by_its_own_line_until_it_is_answered()
    {
        using var board = NewBoard(hasAcpi: true);
        var device = board.AddVirtio(NewRng(board));
        var levels = new List<(int Line, bool Level)>();
        board.Lines.Observer = (line, level) => levels.Add((line, level));
        lock (board.Machine.Bus.DeviceLock)
        {
            device.SignalConfiguration();
            board.Machine.Bus.WriteMmio(board.VirtioPlaces[0].Address + 0x64, 4, 2);
        }
        Assert.Equal([(16, true), (16, false)], levels);
    }

    [Fact]
    public void Without_acpi_the_kernels_command_line_tells_of_virtio_devices()
    {
        using var board = NewBoard(hasAcpi: false);
        board.AddVirtio(NewRng(board));
        board.AddVirtio(NewRng(board));
        var kernel = new Kernel();
        board.Complete(kernel);
        Assert.Equal(["virtio_mmio.device=512@0xfeb00000:5", "virtio_mmio.device=512@0xfeb00200:6"], kernel.Arguments);
    }

    [Fact]
    public void With_acpi_the_command_line_is_left_alone_and_the_power_button_works()
    {
        using var board = NewBoard(hasAcpi: true);
        board.AddVirtio(NewRng(board));
        var kernel = new Kernel();
        board.Complete(kernel);
        Assert.Empty(kernel.Arguments);
        Assert.NotNull(board.Machine.PowerButton);
    }

    [Theory]
    [InlineData("smp", "microvm")]
    [InlineData("rtc", "microvm,acpi=off")]
    [InlineData("lapic", "microvm,pic=off,pit=on")]
    [InlineData("uart", "microvm,rtc=off")]
    public async Task Suites_that_need_no_pc_pass(string suite, string machine) =>
        Assert.Equal(1, await GuestProgram.RunAsync(suite, "-accel", "tcg", "-machine", machine, "-smp", "2", "-serial", "null"));

    [Theory]
    [InlineData("-device virtio-rng-pci", "has no PCI bus; use virtio-rng-device")]
    [InlineData("-device ide-cd", "has no PCI bus")]
    [InlineData("-machine hpet=on", "a microvm has no HPET")]
    [InlineData("-machine pit=sometimes", "there are on, off, auto")]
    public async Task What_a_microvm_has_not_is_refused_by_name(string options, string message)
    {
        string[] arguments = ["-machine", "microvm", "-accel", "tcg", "-kernel", GuestProgram.ImageOf("smoke"), .. GuestProgram.Bare, .. options.Split(' ')];
        using var process = Process.Start(new ProcessStartInfo(GuestProgram.Gvmm, arguments) { RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        Assert.NotEqual(0, await GuestProgram.StatusAsync(process));
        Assert.Contains(message, await errors, StringComparison.Ordinal);
    }

    private static MicrovmBoard NewBoard(bool hasAcpi) => new(
        new MicrovmConfig { Accelerators = [new AcceleratorChoice("tcg", new Dictionary<string, string>())], RamBytes = 4 << 20, HasAcpi = hasAcpi, StartUtc = DateTime.UnixEpoch }, _ => { });

    private static VirtioRng NewRng(MicrovmBoard board) => new(board.Machine.Memory, board.Machine.Clock, new Zeros());

    private sealed class Zeros : IEntropySource
    {
        public void Fill(Span<byte> destination) => destination.Clear();
    }

    private sealed class Kernel : IBootProgram, IKernelArguments
    {
        public List<string> Arguments { get; } = [];

        public void AppendArgument(string argument) => Arguments.Add(argument);

        public void Start(GuestMemory memory, ref X86State state) { }
    }
}
