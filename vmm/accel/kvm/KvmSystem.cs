using System.Runtime.InteropServices;
using Gauntlet.Linux;
using Gauntlet.Vmm.Accel.Cpu;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>
/// The host's KVM: /dev/kvm, open, of an API version and with the extensions that gvmm builds on.
/// Everything that can be wrong with it ends in an <see cref="AcceleratorException"/> that says what to do.
/// </summary>
internal sealed unsafe class KvmSystem : IDisposable
{
    /// <summary>Where the kernel's KVM module puts its device.</summary>
    public const string DefaultDevice = "/dev/kvm";

    /// <summary>CPUID leaves that a host may report; the newest have some 60, a few report every index of every leaf.</summary>
    private const int MaxCpuidEntries = 1024;

    /// <summary>What gvmm cannot do without, with the Linux version that brought it.</summary>
    private static readonly Requirement[] Required =
    [
        new(KvmCap.UserMemory, "KVM_CAP_USER_MEMORY", "2.6.25"),
        new(KvmCap.SetTssAddr, "KVM_CAP_SET_TSS_ADDR", "2.6.25"),
        new(KvmCap.ExtCpuid, "KVM_CAP_EXT_CPUID", "2.6.25"),
        new(KvmCap.MpState, "KVM_CAP_MP_STATE", "2.6.26"),
        new(KvmCap.SetIdentityMapAddr, "KVM_CAP_SET_IDENTITY_MAP_ADDR", "2.6.32"),
        new(KvmCap.VcpuEvents, "KVM_CAP_VCPU_EVENTS", "2.6.33"),
        new(KvmCap.DebugRegs, "KVM_CAP_DEBUGREGS", "2.6.35"),
        new(KvmCap.ReadonlyMem, "KVM_CAP_READONLY_MEM", "3.7"),
        new(KvmCap.ImmediateExit, "KVM_CAP_IMMEDIATE_EXIT", "4.13"),
    ];

    /// <summary>Opens the device and checks it.</summary>
    /// <exception cref="AcceleratorException">It is missing, not permitted, no KVM, or too old.</exception>
    public KvmSystem(string device = DefaultDevice)
    {
        Handle = Libc.open(device, Libc.O_RDWR | Libc.O_CLOEXEC);
        if (Handle.IsInvalid)
            throw CannotOpen(device, Marshal.GetLastPInvokeError());
        try
        {
            var version = Libc.ioctl(Handle, KvmRequest.GetApiVersion, 0);
            if (version < 0)
                throw new AcceleratorException($"{device} does not answer as KVM does ({ErrorText()}): it is another kind of file; give the KVM device");
            if (version != KvmRequest.ApiVersion)
                throw new AcceleratorException($"{device} speaks version {version} of KVM's API, gvmm speaks {KvmRequest.ApiVersion}: update the host's kernel");
            foreach (var required in Required)
            {
                if (Check(required.Cap) <= 0)
                    throw new AcceleratorException($"this host's KVM has no {required.Name}, which Linux has since {required.Since}: update the host's kernel, or use -accel tcg");
            }

            VcpuMmapBytes = Libc.ioctl(Handle, KvmRequest.GetVcpuMmapSize, 0);
            if (VcpuMmapBytes < sizeof(KvmRun))
                throw new AcceleratorException($"{device} shares {VcpuMmapBytes} bytes with a vCPU where at least {sizeof(KvmRun)} were expected: this is no KVM that gvmm knows");
        }
        catch
        {
            Handle.Dispose();
            throw;
        }
    }

    private sealed record Requirement(KvmCap Cap, string Name, string Since);

    public SafeFileHandle Handle { get; }

    /// <summary>Bytes to map from each vCPU's descriptor.</summary>
    public int VcpuMmapBytes { get; }

    /// <summary>KVM_CHECK_EXTENSION: 0 when the host lacks it, else 1 or the number that the extension answers with.</summary>
    public int Check(KvmCap cap) => Math.Max(0, Libc.ioctl(Handle, KvmRequest.CheckExtension, (nint)cap));

    /// <summary>Why KVM cannot be used here, in words for a person; null when it can.</summary>
    public static string? WhyUnusable(string device = DefaultDevice)
    {
        try
        {
            using var system = new KvmSystem(device);
            using var machine = system.CreateVm();
            return null;
        }
        catch (AcceleratorException e)
        {
            return e.Message;
        }
    }

    /// <summary>KVM_CREATE_VM.</summary>
    public SafeFileHandle CreateVm()
    {
        int descriptor;
        do
        {
            // A signal while the kernel allocates is no failure (as with any process that sets timers).
            descriptor = Libc.ioctl(Handle, KvmRequest.CreateVm, 0);
        }
        while (descriptor < 0 && Marshal.GetLastPInvokeError() == Libc.EINTR);
        return descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new AcceleratorException($"KVM cannot make a virtual machine: {ErrorText()}. "
                + "See the kernel's log (dmesg): another hypervisor may hold the CPU's virtualization extension, or memory or descriptors are short");
    }

    /// <summary>KVM_GET_SUPPORTED_CPUID: what a guest may be shown on this host.</summary>
    public CpuidLeaf[] GetSupportedCpuid()
    {
        for (var capacity = 128; capacity <= MaxCpuidEntries; capacity *= 2)
        {
            var buffer = new byte[KvmRequest.CpuidHeaderBytes + capacity * sizeof(KvmCpuidEntry)];
            fixed (byte* p = buffer)
            {
                *(uint*)p = (uint)capacity;
                if (Libc.ioctl(Handle, KvmRequest.GetSupportedCpuid, p) == 0)
                    return ToLeaves((KvmCpuidEntry*)(p + KvmRequest.CpuidHeaderBytes), (int)Math.Min(*(uint*)p, (uint)capacity));
            }

            if (Marshal.GetLastPInvokeError() != Libc.E2BIG)
                throw new AcceleratorException($"KVM does not tell which CPUID leaves it supports: {ErrorText()}");
        }

        throw new AcceleratorException($"KVM reports more than {MaxCpuidEntries} CPUID leaves: this is no KVM that gvmm knows");
    }

    /// <summary>KVM_GET_MSR_INDEX_LIST: the MSRs that this host can save, of which a vCPU may lack some.</summary>
    /// <param name="limit">More than a host has.</param>
    public uint[] GetMsrIndices(int limit)
    {
        var buffer = new uint[1 + limit];
        buffer[0] = (uint)limit;
        fixed (uint* p = buffer)
        {
            if (Libc.ioctl(Handle, KvmRequest.GetMsrIndexList, p) != 0)
                throw new AcceleratorException($"KVM does not tell which MSRs it can save: {ErrorText()}");
        }
        return buffer[1..(1 + (int)Math.Min(buffer[0], (uint)limit))];
    }

    private static CpuidLeaf[] ToLeaves(KvmCpuidEntry* entries, int count)
    {
        var leaves = new CpuidLeaf[count];
        for (var i = 0; i < count; i++)
        {
            var e = entries + i;
            leaves[i] = new CpuidLeaf(e->Function, e->Index, (e->Flags & KvmCpuidEntry.SignificantIndex) != 0, e->Eax, e->Ebx, e->Ecx, e->Edx);
        }

        return leaves;
    }

    public void Dispose() => Handle.Dispose();

    /// <summary>For the call that just failed on this thread.</summary>
    internal static string ErrorText()
    {
        var error = Marshal.GetLastPInvokeError();
        return $"{Marshal.GetPInvokeErrorMessage(error)} (errno {error})";
    }

    private static AcceleratorException CannotOpen(string device, int error) => new(error switch
    {
        Libc.ENOENT => $"{device} does not exist: load the kvm_intel or kvm_amd module, enable virtualization in the firmware (or nesting in the outer hypervisor), or use -accel tcg",
        Libc.EACCES or Libc.EPERM => $"{device} may not be opened by this user: join the group that owns it (usually 'kvm', then log in again), or use -accel tcg",
        Libc.ENODEV or Libc.ENXIO => $"{device} has no driver behind it: load the kvm_intel or kvm_amd module, or use -accel tcg",
        Libc.EBUSY => $"{device} is held by another hypervisor: stop it, or use -accel tcg",
        _ => $"{device} cannot be opened: {Marshal.GetPInvokeErrorMessage(error)} (errno {error}); use -accel tcg meanwhile",
    });
}
