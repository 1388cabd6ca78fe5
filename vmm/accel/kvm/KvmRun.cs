using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>KVM_EXIT_*: why KVM_RUN came back (Documentation/virt/kvm/api.rst, 5).</summary>
internal enum KvmExit : uint
{
    Unknown = 0,
    Exception = 1,
    Io = 2,
    Hypercall = 3,
    Debug = 4,
    Hlt = 5,
    Mmio = 6,
    IrqWindowOpen = 7,
    Shutdown = 8,
    FailEntry = 9,
    Intr = 10,
    SetTpr = 11,
    TprAccess = 12,
    Nmi = 16,
    InternalError = 17,
    SystemEvent = 24,
    IoapicEoi = 26,
    X86Rdmsr = 29,
    X86Wrmsr = 30,
    MemoryFault = 39,
}

/// <summary>KVM_INTERNAL_ERROR_*.</summary>
internal enum KvmInternalError : uint
{
    Emulation = 1,
    SimultaneousException = 2,
    DeliverEvent = 3,
    UnexpectedExitReason = 4,
}

/// <summary>KVM_SYSTEM_EVENT_*.</summary>
internal enum KvmSystemEvent : uint
{
    Shutdown = 1,
    Reset = 2,
    Crash = 3,
}

/// <summary>struct kvm_run, the page that a vCPU shares with the kernel. The fields from 32 on are a union over <see cref="ExitReason"/>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 2352)]
internal unsafe struct KvmRun
{
    /// <summary>Words of <c>internal.data</c> that KVM may fill.</summary>
    public const int MaxInternalData = 16;

    [FieldOffset(0)]
    public byte RequestInterruptWindow;

    [FieldOffset(1)]
    public byte ImmediateExit;

    [FieldOffset(8)]
    public KvmExit ExitReason;

    [FieldOffset(12)]
    public byte ReadyForInterruptInjection;

    [FieldOffset(13)]
    public byte IfFlag;

    [FieldOffset(16)]
    public ulong Cr8;

    [FieldOffset(24)]
    public ulong ApicBase;

    /// <summary>io.direction: 0 is IN, 1 is OUT.</summary>
    [FieldOffset(32)]
    public byte IoIsOut;

    /// <summary>io.size: 1, 2 or 4 bytes.</summary>
    [FieldOffset(33)]
    public byte IoSize;

    [FieldOffset(34)]
    public ushort IoPort;

    /// <summary>io.count: elements of a repeated string instruction, else 1.</summary>
    [FieldOffset(36)]
    public uint IoCount;

    /// <summary>io.data_offset: where the elements are, in bytes from the start of this page.</summary>
    [FieldOffset(40)]
    public ulong IoDataOffset;

    [FieldOffset(32)]
    public ulong MmioAddress;

    [FieldOffset(40)]
    public fixed byte MmioData[8];

    /// <summary>mmio.len: 1 to 8 bytes.</summary>
    [FieldOffset(48)]
    public uint MmioLength;

    [FieldOffset(52)]
    public byte MmioIsWrite;

    [FieldOffset(32)]
    public ulong HardwareReason;

    [FieldOffset(40)]
    public uint FailEntryCpu;

    [FieldOffset(32)]
    public KvmInternalError InternalSuberror;

    [FieldOffset(36)]
    public uint InternalDataCount;

    [FieldOffset(40)]
    public fixed ulong InternalData[MaxInternalData];

    [FieldOffset(32)]
    public KvmSystemEvent SystemEventType;

    /// <summary>eoi.vector.</summary>
    [FieldOffset(32)]
    public byte EoiVector;

    /// <summary>debug.arch.exception: the vector, 1 (#DB) or 3 (#BP).</summary>
    [FieldOffset(32)]
    public uint DebugException;

    /// <summary>debug.arch.pc: linear address of the instruction.</summary>
    [FieldOffset(40)]
    public ulong DebugPc;

    /// <summary>debug.arch.dr6.</summary>
    [FieldOffset(48)]
    public ulong DebugDr6;

    /// <summary>memory_fault.flags, .gpa and .size.</summary>
    [FieldOffset(40)]
    public ulong MemoryFaultAddress;
}
