using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

// The kernel's structures for x86-64, named and laid out as in include/uapi/linux/kvm.h and arch/x86/include/uapi/asm/kvm.h;
// what each means: Documentation/virt/kvm/api.rst under the ioctl that takes it.
namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>struct kvm_regs. The order of the first eight differs from their encoding.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmRegs
{
    public ulong Rax, Rbx, Rcx, Rdx, Rsi, Rdi, Rsp, Rbp;
    public ulong R8, R9, R10, R11, R12, R13, R14, R15;
    public ulong Rip, Rflags;
}

/// <summary>struct kvm_segment.</summary>
[StructLayout(LayoutKind.Sequential, Size = 24)]
internal struct KvmSegment
{
    public ulong Base;
    public uint Limit;
    public ushort Selector;
    public byte Type, Present, Dpl, Db, S, L, G, Avl, Unusable;
}

/// <summary>struct kvm_dtable.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct KvmDtable
{
    public ulong Base;
    public ushort Limit;
}

/// <summary>struct kvm_sregs.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmSregs
{
    public KvmSegment Cs, Ds, Es, Fs, Gs, Ss, Tr, Ldt;
    public KvmDtable Gdt, Idt;
    public ulong Cr0, Cr2, Cr3, Cr4, Cr8, Efer, ApicBase;
    public InterruptWords InterruptBitmap;

    /// <summary>One bit for a vector that is on its way into the guest; four words.</summary>
    [InlineArray(4)]
    public struct InterruptWords
    {
        private ulong _first;
    }
}

/// <summary>struct kvm_enable_cap.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmEnableCap
{
    public uint Cap, Flags;
    public fixed ulong Arguments[4];
    public fixed byte Pad[64];
}

/// <summary>struct kvm_guest_debug, with the debug registers by their numbers.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmGuestDebug
{
    public GuestDebugControl Control;
    public uint Pad;
    public fixed ulong Registers[8];
}

/// <summary>struct kvm_fpu.</summary>
[StructLayout(LayoutKind.Sequential, Size = 416)]
internal unsafe struct KvmFpu
{
    public fixed byte Fpr[128];
    public ushort Fcw, Fsw;
    public byte Ftwx, Pad1;
    public ushort LastOpcode;
    public ulong LastIp, LastDp;
    public fixed byte Xmm[256];
    public uint Mxcsr;
}

/// <summary>struct kvm_xsave without the extension for dynamically enabled features: a standard-format XSAVE area (SDM Vol. 1, 13.4).</summary>
[StructLayout(LayoutKind.Explicit, Size = 4096)]
internal unsafe struct KvmXsave
{
    [FieldOffset(0)]
    public fixed byte Legacy[512];

    [FieldOffset(512)]
    public ulong XstateBv;
}

/// <summary>struct kvm_xcrs, kept as bytes, because it is only put back.</summary>
[StructLayout(LayoutKind.Explicit, Size = 392)]
internal struct KvmXcrs;

/// <summary>struct kvm_debugregs.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal unsafe struct KvmDebugRegs
{
    [FieldOffset(0)]
    public fixed ulong Db[4];

    [FieldOffset(32)]
    public ulong Dr6;

    [FieldOffset(40)]
    public ulong Dr7;

    [FieldOffset(48)]
    public ulong Flags;
}

/// <summary>struct kvm_vcpu_events.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct KvmVcpuEvents
{
    public const uint ValidNmiPending = 1, ValidSipiVector = 2, ValidShadow = 4, ValidSmm = 8;
    public const byte ShadowMovSs = 1, ShadowSti = 2;

    [FieldOffset(0)]
    public byte ExceptionInjected;

    [FieldOffset(8)]
    public byte InterruptInjected;

    [FieldOffset(9)]
    public byte InterruptNr;

    [FieldOffset(10)]
    public byte InterruptSoft;

    [FieldOffset(11)]
    public byte InterruptShadow;

    [FieldOffset(12)]
    public byte NmiInjected;

    [FieldOffset(13)]
    public byte NmiPending;

    [FieldOffset(14)]
    public byte NmiMasked;

    [FieldOffset(20)]
    public uint Flags;
}

/// <summary>KVM_MP_STATE_*: struct kvm_mp_state is one of them.</summary>
internal enum KvmMpState : uint
{
    Runnable = 0,
    Uninitialized = 1,
    InitReceived = 2,
    Halted = 3,
    SipiReceived = 4,
}

/// <summary>struct kvm_msr_entry.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMsrEntry
{
    public uint Index, Reserved;
    public ulong Data;
}

/// <summary>struct kvm_cpuid_entry2.</summary>
[StructLayout(LayoutKind.Sequential, Size = 40)]
internal struct KvmCpuidEntry
{
    public const uint SignificantIndex = 1;

    public uint Function, Index, Flags, Eax, Ebx, Ecx, Edx;
}

/// <summary>struct kvm_userspace_memory_region.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmUserspaceMemoryRegion
{
    public const uint LogDirtyPages = 1, ReadOnly = 2;

    public uint Slot, Flags;
    public ulong GuestPhysAddr, MemorySize, UserspaceAddr;
}

/// <summary>struct kvm_dirty_log.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmDirtyLog
{
    public uint Slot, Padding;
    public ulong Bitmap;
}

/// <summary>struct kvm_irq_level.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmIrqLevel
{
    public uint Irq, Level;
}

/// <summary>struct kvm_msi.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal struct KvmMsi
{
    public uint AddressLo, AddressHi, Data, Flags;
}

/// <summary>struct kvm_pit_config.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct KvmPitConfig
{
    public const uint SpeakerDummy = 1;

    public uint Flags;
}

/// <summary>struct kvm_reinject_control.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal struct KvmReinjectControl
{
    public byte PitReinject;
}

/// <summary>struct kvm_irq_routing_entry for a pin of a controller inside KVM, or for a message.</summary>
[StructLayout(LayoutKind.Explicit, Size = 48)]
internal struct KvmIrqRoutingEntry
{
    public const uint TypeIrqChip = 1, TypeMsi = 2;

    [FieldOffset(0)]
    public uint Gsi;

    [FieldOffset(4)]
    public uint Type;

    [FieldOffset(16)]
    public KvmIrqChipId IrqChip;

    [FieldOffset(20)]
    public uint Pin;

    [FieldOffset(16)]
    public uint MsiAddressLo;

    [FieldOffset(20)]
    public uint MsiAddressHi;

    [FieldOffset(24)]
    public uint MsiData;
}

/// <summary>struct kvm_ioeventfd.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct KvmIoEventFd
{
    public const uint Deassign = 4;

    public ulong DataMatch, Address;

    /// <summary>Bytes that a write has; 0: any.</summary>
    public uint Length;
    public int Fd;
    public uint Flags;
}

/// <summary>struct kvm_irqfd.</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal struct KvmIrqFd
{
    public const uint Deassign = 1;

    public int Fd;
    public uint Gsi, Flags;
}

/// <summary>KVM_IRQCHIP_*.</summary>
internal enum KvmIrqChipId : uint
{
    PicMaster = 0,
    PicSlave = 1,
    IoApic = 2,
}

/// <summary>struct kvm_irqchip: one controller's registers, kept as bytes, because they are only put back.</summary>
[StructLayout(LayoutKind.Explicit, Size = 520)]
internal struct KvmIrqChipState
{
    [FieldOffset(0)]
    public KvmIrqChipId ChipId;
}

/// <summary>struct kvm_pit_state2, kept as bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 112)]
internal struct KvmPitState;

/// <summary>struct kvm_clock_data: what the guest's KVM clock shows.</summary>
[StructLayout(LayoutKind.Explicit, Size = 48)]
internal struct KvmClockData
{
    /// <summary>Nanoseconds.</summary>
    [FieldOffset(0)]
    public ulong Clock;

    /// <summary>0: set it to just this.</summary>
    [FieldOffset(8)]
    public uint Flags;
}

/// <summary>struct kvm_lapic_state: the register page's first KiB.</summary>
[StructLayout(LayoutKind.Explicit, Size = 1024)]
internal struct KvmLapicState;
