using Gauntlet.Guests.Building;

namespace Gauntlet.Guests.Tests;

/// <summary>A case on QEMU.</summary>
/// <param name="Accel"><c>tcg</c>, or <c>nested</c>: below our L1 hypervisor on TCG.</param>
internal sealed record QemuCase(SuiteFile.CaseEntry Entry, string Accel)
{
    public string Arch => Entry.Suite.Arch;

    public override string ToString() => $"{Accel}/{Entry}";
}

/// <summary>The command lines that the harness has for QEMU, written down a second time, so that a change there shows.</summary>
internal static class QemuMachine
{
    public static IReadOnlyList<string> Accels { get; } = ["tcg", "nested"];

    public static string Program(string arch) => $"qemu-system-{arch}";

    public static IReadOnlyList<string> Arguments(QemuCase run)
    {
        var nested = run.Accel == "nested";
        IReadOnlyList<string> machine = run.Arch switch
        {
            "aarch64" =>
            [
                "-nodefaults", "-machine", nested ? "virt,virtualization=on" : "virt", "-accel", "tcg", "-cpu", "max", "-device", "virtio-serial-device",
                "-device", "virtconsole,chardev=ctd", "-chardev", "testdev,id=ctd", "-display", "none", "-serial", "stdio",
            ],
            "riscv64" => ["-nodefaults", "-nographic", "-serial", "stdio", "-machine", "virt", "-accel", "tcg", "-cpu", nested ? "rv64,h=true" : "rv64"],
            _ =>
            [
                "--no-reboot", "-nodefaults", "-global", "kvm-pit.lost_tick_policy=discard", "-device", "pc-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4",
                "-display", "none", "-serial", "stdio", "-device", "pci-testdev", "-machine", "accel=tcg", "-cpu", nested ? "qemu64,+svm,+npt" : "qemu64",
            ],
        };
        return
        [
            .. machine,
            .. nested
                ? (IEnumerable<string>)["-kernel", Hypervisor(run.Arch), "-device", $"loader,file={run.Entry.Image},addr={PayloadAddress(run.Arch)},force-raw=on"]
                : ["-kernel", run.Entry.Image],
        ];
    }

    private static string Hypervisor(string arch) => Path.Combine(GuestTree.Find().Prebuilt, arch, GuestTree.HypervisorImage + ".elf");

    private static string PayloadAddress(string arch) => arch switch { "aarch64" => "0x44000000", "riscv64" => "0x84000000", _ => "0x7000000" };
}
