using Gauntlet.Linux;

namespace Gauntlet.Harness.Drivers;

/// <summary>What kind of KVM this host has.</summary>
public enum KvmKind
{
    /// <summary>None that this user can use; <see cref="KvmHost.Problem"/> says why.</summary>
    None,

    /// <summary>On the CPU's virtualization extension.</summary>
    Hardware,

    /// <summary>
    /// On a CPU that shows no such extension: a KVM that runs guests by shadowing and emulation (<c>kvm_pvm</c> and its like). It works, but every exit and
    /// every privileged instruction costs a multiple, and some CPU models do not start on it.
    /// </summary>
    Software,
}

/// <summary>This host's KVM, found out by using it: opening the device, asking its version, making a virtual machine.</summary>
/// <param name="Kind">Also the host fact <c>kvm</c> of a run, in lower case.</param>
/// <param name="Problem">Why it cannot be used and what would help; null when it can.</param>
public sealed record KvmHost(KvmKind Kind, string? Problem)
{
    private const string Device = "/dev/kvm";

    // linux/kvm.h: _IO(KVMIO, 0x00) and _IO(KVMIO, 0x01). The version has been 12 since Linux 2.6.22.
    private const nuint KVM_GET_API_VERSION = 0xae00, KVM_CREATE_VM = 0xae01;
    private const int ApiVersion = 12;

    private static KvmHost Unusable(string problem) => new(KvmKind.None, problem);

    /// <summary>Probes now; takes some milliseconds where making a virtual machine does.</summary>
    public static KvmHost Probe()
    {
        if (!File.Exists(Device))
            return Unusable("no /dev/kvm: this host's CPU or kernel offers no virtualization, or the module (kvm_intel, kvm_amd) is not loaded");
        using var device = Libc.open(Device, Libc.O_RDWR | Libc.O_CLOEXEC);
        if (device.IsInvalid)
        {
            var error = LinuxException.ForErrno("opening /dev/kvm");
            return Unusable(error.Errno is Libc.EACCES or Libc.EPERM
                ? "no permission for /dev/kvm: add this user to its group (usually: usermod -aG kvm USER, then log in again)"
                : error.Message);
        }
        var version = Libc.ioctl(device, KVM_GET_API_VERSION, 0);
        if (version != ApiVersion)
            return Unusable($"/dev/kvm answers with API version {version}, where Linux has had {ApiVersion} since 2.6.22");
        var machine = Libc.ioctl(device, KVM_CREATE_VM, 0);
        if (machine < 0)
            return Unusable(LinuxException.ForErrno("making a virtual machine on /dev/kvm").Message + "; is another hypervisor using the CPU's extension?");
        _ = Libc.close(machine);
        return new KvmHost(CpuHasExtension() ? KvmKind.Hardware : KvmKind.Software, null);
    }

    /// <summary>
    /// vmx or svm in /proc/cpuinfo. A hypervisor may hide them, but then hardware KVM cannot work either; architectures that list no such flag are taken
    /// at the word of their KVM.
    /// </summary>
    private static bool CpuHasExtension()
    {
        try
        {
            var flags = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal));
            return flags is null || flags.Split(' ').Any(flag => flag is "vmx" or "svm");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }
}
