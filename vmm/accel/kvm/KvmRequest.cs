using System.Runtime.CompilerServices;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>
/// The ioctl numbers of KVM's API, made as the kernel makes them (include/uapi/asm-generic/ioctl.h): direction, size of the argument, type 0xAE, number.
/// A structure of the wrong size so gives a number that the kernel does not know.
/// </summary>
internal static class KvmRequest
{
    /// <summary>The only version of the API that has ever been stable.</summary>
    public const int ApiVersion = 12;

    // On /dev/kvm.
    public static readonly nuint GetApiVersion = Io(0x00);
    public static readonly nuint CreateVm = Io(0x01);
    public static readonly nuint GetMsrIndexList = Iowr(0x02, MsrIndicesHeaderBytes);
    public static readonly nuint CheckExtension = Io(0x03);
    public static readonly nuint GetVcpuMmapSize = Io(0x04);
    public static readonly nuint GetSupportedCpuid = Iowr(0x05, CpuidHeaderBytes);

    // On a virtual machine.
    public static readonly nuint CreateVcpu = Io(0x41);
    public static readonly nuint GetDirtyLog = Iow<KvmDirtyLog>(0x42);
    public static readonly nuint SetUserMemoryRegion = Iow<KvmUserspaceMemoryRegion>(0x46);
    public static readonly nuint SetTssAddr = Io(0x47);
    public static readonly nuint SetIdentityMapAddr = Iow(0x48, sizeof(ulong));
    public static readonly nuint CreateIrqChip = Io(0x60);
    public static readonly nuint IrqLine = Iow<KvmIrqLevel>(0x61);
    public static readonly nuint GetIrqChip = Iowr(0x62, Unsafe.SizeOf<KvmIrqChipState>());

    /// <summary>Declared with _IOR in the kernel's header, though the kernel reads its argument.</summary>
    public static readonly nuint SetIrqChip = Ior<KvmIrqChipState>(0x63);

    public static readonly nuint SetGsiRouting = Iow(0x6a, RoutingHeaderBytes);
    public static readonly nuint ReinjectControl = Io(0x71);
    public static readonly nuint IrqFd = Iow<KvmIrqFd>(0x76);
    public static readonly nuint IoEventFd = Iow<KvmIoEventFd>(0x79);
    public static readonly nuint CreatePit2 = Iow<KvmPitConfig>(0x77);
    public static readonly nuint EnableCap = Iow<KvmEnableCap>(0xa3);
    public static readonly nuint SignalMsi = Iow<KvmMsi>(0xa5);
    public static readonly nuint GetPit2 = Ior<KvmPitState>(0x9f);
    public static readonly nuint SetPit2 = Iow<KvmPitState>(0xa0);
    public static readonly nuint SetClock = Iow<KvmClockData>(0x7b);
    public static readonly nuint GetClock = Ior<KvmClockData>(0x7c);

    // On a vCPU.
    public static readonly nuint Run = Io(0x80);
    public static readonly nuint GetRegs = Ior<KvmRegs>(0x81);
    public static readonly nuint SetRegs = Iow<KvmRegs>(0x82);
    public static readonly nuint GetSregs = Ior<KvmSregs>(0x83);
    public static readonly nuint SetSregs = Iow<KvmSregs>(0x84);
    public static readonly nuint Interrupt = Iow(0x86, sizeof(uint));
    public static readonly nuint GetMsrs = Iowr(0x88, MsrsHeaderBytes);
    public static readonly nuint SetMsrs = Iow(0x89, MsrsHeaderBytes);
    public static readonly nuint GetFpu = Ior<KvmFpu>(0x8c);
    public static readonly nuint SetFpu = Iow<KvmFpu>(0x8d);
    public static readonly nuint GetLapic = Ior<KvmLapicState>(0x8e);
    public static readonly nuint SetLapic = Iow<KvmLapicState>(0x8f);
    public static readonly nuint SetCpuid2 = Iow(0x90, CpuidHeaderBytes);
    public static readonly nuint GetMpState = Ior<KvmMpState>(0x98);
    public static readonly nuint SetMpState = Iow<KvmMpState>(0x99);
    public static readonly nuint Nmi = Io(0x9a);
    public static readonly nuint SetGuestDebug = Iow<KvmGuestDebug>(0x9b);
    public static readonly nuint GetVcpuEvents = Ior<KvmVcpuEvents>(0x9f);
    public static readonly nuint SetVcpuEvents = Iow<KvmVcpuEvents>(0xa0);
    public static readonly nuint GetDebugRegs = Ior<KvmDebugRegs>(0xa1);
    public static readonly nuint SetDebugRegs = Iow<KvmDebugRegs>(0xa2);
    public static readonly nuint GetXcrs = Ior<KvmXcrs>(0xa6);
    public static readonly nuint SetXcrs = Iow<KvmXcrs>(0xa7);
    public static readonly nuint GetXsave = Ior<KvmXsave>(0xa4);
    public static readonly nuint SetXsave = Iow<KvmXsave>(0xa5);
    public static readonly nuint GetNestedState = Iowr(0xbe, NestedStateHeaderBytes);
    public static readonly nuint SetNestedState = Iow(0xbf, NestedStateHeaderBytes);

    /// <summary>struct kvm_cpuid2 up to its entries: nent and padding.</summary>
    public const int CpuidHeaderBytes = 8;

    /// <summary>struct kvm_msrs up to its entries: nmsrs and padding.</summary>
    public const int MsrsHeaderBytes = 8;

    /// <summary>struct kvm_msr_list up to its indices: nmsrs.</summary>
    public const int MsrIndicesHeaderBytes = 4;

    /// <summary>struct kvm_nested_state up to the nested guest's control structures.</summary>
    public const int NestedStateHeaderBytes = 128;

    /// <summary>struct kvm_irq_routing up to its entries: nr and flags.</summary>
    public const int RoutingHeaderBytes = 8;

    private static nuint Io(int number) => 0xae00u | (uint)number;

    private static nuint Iow<T>(int number) where T : unmanaged => Iow(number, Unsafe.SizeOf<T>());

    private static nuint Ior<T>(int number) where T : unmanaged => 2u << 30 | (uint)Unsafe.SizeOf<T>() << 16 | Io(number);

    private static nuint Iow(int number, int bytes) => 1u << 30 | (uint)bytes << 16 | Io(number);

    private static nuint Iowr(int number, int bytes) => 3u << 30 | (uint)bytes << 16 | Io(number);
}

/// <summary>KVM_CAP_*: what KVM_CHECK_EXTENSION is asked.</summary>
internal enum KvmCap
{
    IrqChip = 0,
    UserMemory = 3,
    SetTssAddr = 4,
    ExtCpuid = 7,
    NrVcpus = 9,
    NrMemSlots = 10,
    MpState = 14,
    IrqRouting = 25,
    IrqFd = 32,
    Pit2 = 33,
    PitState2 = 35,
    ReinjectControl = 24,
    IoEventFd = 36,
    SetIdentityMapAddr = 37,
    AdjustClock = 39,
    InternalErrorData = 40,
    VcpuEvents = 41,
    DebugRegs = 50,
    Xsave = 55,
    Xcrs = 56,
    MaxVcpus = 66,
    SignalMsi = 77,
    ReadonlyMem = 81,
    SplitIrqChip = 121,
    IoEventFdAnyLength = 122,
    MaxVcpuId = 128,
    ImmediateExit = 136,
    X86DisableExits = 143,
    NestedState = 157,
    SetGuestDebug2 = 195,
}
