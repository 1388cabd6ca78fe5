using System.Collections.Concurrent;
using Gauntlet.Guests.Images;
using Gauntlet.Harness.Booting;
using Gauntlet.Harness.Drivers;
using Gauntlet.Linux;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Nesting;

/// <summary>Finds what an L1 is made of: QEMU, a kernel (the cell's <c>host-kernel</c>, else Debian's), busybox, and the agent.</summary>
/// <param name="qemu">The QEMU that runs the L1; it need not be the one of the cell.</param>
/// <param name="kvm">This host's.</param>
public sealed class L1Supply(QemuStyleDriver qemu, Func<KvmHost> kvm)
{
    /// <summary>The value of the <c>accel</c> axis.</summary>
    public const string Accel = "nested-linux";

    /// <summary>The kernel of Debian that has all of it: the one for clouds has no 9p.</summary>
    public const string DefaultKernel = "linux-image-amd64";

    /// <summary>
    /// Limits of suites are meant for guests on this host's CPU; in an L1 that is emulated the VMM is emulated too, some ten times slower.
    /// </summary>
    public const int TimeFactor = 10;

    /// <summary>What an L1 takes besides what runs in it, and the least it gets in all; in MiB.</summary>
    private const int OwnMemoryMiB = 512, LeastMemoryMiB = 1536;

    /// <summary>What the smallest L1 takes.</summary>
    public const long LeastMemoryBytes = (long)LeastMemoryMiB << 20;

    /// <summary>More vCPUs than this host has CPUs would only wait for each other.</summary>
    private static readonly int s_mostCpus = Math.Clamp(Environment.ProcessorCount, 1, 4);

    private readonly ConcurrentDictionary<string, Lazy<Task<(LinuxKernel Kernel, string Initramfs)>>> _made = new();

    /// <summary>What a VMM in a cell of an accelerator is told to use, and what suites call it: in an L1 that is KVM.</summary>
    public static string AccelInside(string accel) => accel == Accel ? "kvm" : accel;

    /// <summary>Kernels as a user names them, with paths made absolute: a result is kept under its cell's name.</summary>
    public static IReadOnlyList<string> Kernels(IReadOnlyList<string> named) =>
        [.. named.Select(kernel => kernel.Contains('/') || File.Exists(kernel) || Directory.Exists(kernel) ? Path.GetFullPath(kernel) : kernel)];

    /// <summary>Null when this host can have an L1 for the cell; else why not. Nothing is fetched for the answer.</summary>
    public async Task<string?> WhyNotAsync(Cell cell, CancellationToken cancellation)
    {
        if (QemuStyleDriver.HostArch != "x86_64" || cell.Arch is not ("x86_64" or "i386"))
            return $"an L1 runs this host's own programs and their KVM: nested-linux is for x86-64 guests on x86-64 hosts, not for {cell.Arch} on {QemuStyleDriver.HostArch}";
        var probe = await qemu.ProbeAsync("x86_64", cancellation);
        if (probe.Problem is { } problem)
            return $"QEMU runs the L1: {problem}";
        foreach (var device in (string[])["virtio-9p-pci", "virtserialport"])
        {
            if (!probe.Devices.Contains(device))
                return $"{probe.Program} was built without the device {device}, which the L1 needs";
        }
        if (cell.HostKernel is { } kernel && kernel.Contains('/'))
            return File.Exists(kernel) || Directory.Exists(kernel) ? null : $"the L1's kernel {kernel} is not there; it is a bzImage, a built source tree, or the name of a Debian package";
        return DebianPackages.ForUser().CanProvide(cell.HostKernel ?? DefaultKernel, DebianArchitecture.Of("x86_64"))
            ? null
            : $"there is no apt to get the L1's kernel with, Debian's package {cell.HostKernel ?? DefaultKernel}; name another with --host-kernel";
    }

    /// <summary>The L1 for a job.</summary>
    /// <param name="memoryBytes">What the VMM inside takes.</param>
    /// <exception cref="CannotRunException">Something is not to be had.</exception>
    public async Task<L1Spec> FindAsync(Cell cell, int smp, long memoryBytes, CancellationToken cancellation)
    {
        var probe = await qemu.ProbeAsync("x86_64", cancellation);
        var (accel, cpu, module) = On(probe);
        try
        {
            // Shared by all who ask, and so not under one asker's cancellation; what failed once fails for the whole run.
            var made = _made.GetOrAdd($"{module} {cell.HostKernel}", _ => new(() => MakeAsync(cell.HostKernel, module)));
            var (kernel, initramfs) = await made.Value.WaitAsync(cancellation);
            // Few sizes, so that an L1 serves many cases.
            var wanted = (int)(memoryBytes >> 20) + OwnMemoryMiB;
            var memory = LeastMemoryMiB;
            while (memory < wanted)
                memory *= 2;
            return new L1Spec(probe.Program!, accel, cpu, kernel.Image, kernel.Name, initramfs, Math.Min(smp > 1 ? 2 : 1, s_mostCpus), memory);
        }
        catch (Exception e) when (e is UserException or IOException or UnauthorizedAccessException)
        {
            throw new CannotRunException($"no L1 can be made: {e.Message}");
        }
    }

    /// <summary>KVM where it nests, else TCG, which emulates SVM.</summary>
    private (string Accel, string Cpu, string Module) On(VmmProbe probe)
    {
        if (probe.Accelerators.Contains("kvm") && kvm().Kind == KvmKind.Hardware)
        {
            foreach (var module in (string[])["kvm_amd", "kvm_intel"])
            {
                if (NestedGuest.KvmNestingParameter(module)?.Trim() is "1" or "Y")
                    return ("kvm", "host", module);
            }
        }
        return ("tcg", "max,+svm", "kvm_amd");
    }

    private static async Task<(LinuxKernel Kernel, string Initramfs)> MakeAsync(string? hostKernel, string kvmModule)
    {
        var (architecture, packages) = (DebianArchitecture.Of("x86_64"), DebianPackages.ForUser());
        var kernel = await LinuxKernel.FindAsync(hostKernel ?? DefaultKernel, architecture, packages, CancellationToken.None);
        var recipe = new LinuxRecipe
        {
            Architecture = architecture,
            Kernel = hostKernel ?? DefaultKernel,
            Busybox = ProgramFinder.InPath("busybox") is { } busybox && IsStatic(busybox) ? busybox : null,
            // A kernel that comes without modules has them built in, or the agent says what is missing.
            Modules = kernel.Modules is null ? [] : L1Agent.Modules(kvmModule),
            Commands = ["sh /agent"],
            Further =
            [
                new CpioEntry("agent", CpioKind.File, 0x1ed) { Content = System.Text.Encoding.UTF8.GetBytes(L1Agent.Script) },
                new CpioEntry("supervise", CpioKind.File, 0x1ed) { Content = Supervisor.Image("x86_64") },
            ],
        };
        var (_, initramfs) = await recipe.BuildAsync(packages, CancellationToken.None);
        return (kernel, await InitramfsShelf.PutAsync(initramfs, CancellationToken.None));
    }

    /// <summary>A dynamic program names its loader (ELF, PT_INTERP); within the first page, as linkers lay it out.</summary>
    private static bool IsStatic(string program)
    {
        using var file = File.OpenHandle(program);
        Span<byte> start = stackalloc byte[4096];
        return start[..RandomAccess.Read(file, start, 0)].IndexOf("/ld-"u8) < 0;
    }
}
