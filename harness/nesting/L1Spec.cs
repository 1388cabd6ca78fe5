using System.Globalization;

namespace Gauntlet.Harness.Nesting;

/// <summary>
/// The Linux under a VMM of the accelerator <c>nested-linux</c>: what is started as L1, for VMMs that run in it on its <c>/dev/kvm</c>. L1s with equal values are interchangeable.
/// </summary>
/// <param name="Program">QEMU, absolute.</param>
/// <param name="Accel">What the L1 itself runs on: <c>tcg</c> or <c>kvm</c>.</param>
/// <param name="Cpu">As after <c>-cpu</c>; it has the virtualization extension.</param>
/// <param name="Kernel">The L1's kernel image.</param>
/// <param name="KernelName">For people.</param>
/// <param name="Initramfs">With the agent that runs commands (<see cref="L1Agent"/>).</param>
/// <param name="Cpus">vCPUs.</param>
/// <param name="MemoryMiB">Of the L1, with all that runs in it.</param>
public sealed record L1Spec(string Program, string Accel, string Cpu, string Kernel, string KernelName, string Initramfs, int Cpus, int MemoryMiB)
{
    /// <summary>Name of the file system that holds the host's files, as the agent mounts it.</summary>
    internal const string RootTag = "host";

    /// <summary>QEMU's own memory besides the L1's: translated code most of all.</summary>
    private const long OverheadBytes = 512L << 20;

    /// <summary>What the process may need.</summary>
    public long MemoryBytes => ((long)MemoryMiB << 20) + OverheadBytes;

    /// <summary>
    /// Program and arguments. The host's files are the L1's, but cannot be written: so a VMM and its libraries, images and programs lie in the L1 under the paths that they have here.
    /// </summary>
    /// <param name="sockets">Unix sockets that QEMU connects to, one for each of <see cref="L1Agent.Ports"/>.</param>
    public IReadOnlyList<string> CommandLine(IReadOnlyList<string> sockets)
    {
        List<string> line =
        [
            Program, "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-machine", $"pc,accel={Accel}", "-cpu", Cpu,
            "-smp", Cpus.ToString(CultureInfo.InvariantCulture), "-m", MemoryMiB.ToString(CultureInfo.InvariantCulture),
            "-kernel", Kernel, "-initrd", Initramfs, "-append", "console=ttyS0 panic=-1 quiet",
            "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap", "-device", $"virtio-9p-pci,fsdev=host,mount_tag={RootTag}",
            "-device", "virtio-serial-pci",
        ];
        foreach (var (number, (name, socket)) in L1Agent.Ports.Zip(sockets).Index())
        {
            line.AddRange(["-chardev", $"socket,id={name},path={socket.Replace(",", ",,", StringComparison.Ordinal)}"]);
            line.AddRange(["-device", string.Create(CultureInfo.InvariantCulture, $"virtserialport,chardev={name},nr={number + 1},name=gauntlet.{name}")]);
        }
        return line;
    }
}
