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
    public static IReadOnlyList<string> Accels { get; } = ["tcg"];

    public static string Program(string arch) => $"qemu-system-{arch}";

    public static IReadOnlyList<string> Arguments(QemuCase run) => run.Arch switch
    {
        "aarch64" =>
        [
            "-nodefaults", "-machine", "virt", "-accel", "tcg", "-cpu", "max", "-device", "virtio-serial-device", "-device", "virtconsole,chardev=ctd",
            "-chardev", "testdev,id=ctd", "-display", "none", "-serial", "stdio", "-kernel", run.Entry.Image,
        ],
        "riscv64" => ["-nodefaults", "-nographic", "-serial", "stdio", "-machine", "virt", "-accel", "tcg", "-cpu", "rv64", "-kernel", run.Entry.Image],
        _ =>
        [
            "--no-reboot", "-nodefaults", "-global", "kvm-pit.lost_tick_policy=discard", "-device", "pc-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4",
            "-display", "none", "-serial", "stdio", "-device", "pci-testdev", "-machine", "accel=tcg", "-kernel", run.Entry.Image,
        ],
    };
}
