using System.Runtime.InteropServices;
using Gauntlet.Linux;
using Gauntlet.Vmm.State;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>
/// All that KVM knows of a vCPU, for a snapshot: KVM's own structures as they are, every MSR that the host can save, and the state of a nested guest.
/// Only while the vCPU is not in KVM_RUN, and after its last exit was completed.
/// </summary>
/// <remarks>
/// The order of loading matters (Documentation/virt/kvm/api.rst): system registers first, since they carry EFER, CR4 and the APIC's base that the others are
/// checked against; a nested guest's state before the registers that it would overwrite; the local APIC before its deadline timer's MSR; pending events and activity last.
/// </remarks>
internal sealed unsafe class KvmVcpuState
{
    private const int MaxNestedBytes = 64 * 1024;

    private readonly SafeFileHandle _vcpu;
    private readonly int _index;
    private readonly bool _hasXsave, _hasXcrs, _hasLapic;
    private readonly int _nestedBytes;
    private readonly KvmMsrs _msrs;

    /// <param name="hasLapic">The local APIC is KVM's.</param>
    public KvmVcpuState(SafeFileHandle vcpu, int index, KvmSystem system, bool hasLapic)
    {
        _vcpu = vcpu;
        _index = index;
        _hasLapic = hasLapic;
        _hasXsave = system.Check(KvmCap.Xsave) != 0;
        _hasXcrs = system.Check(KvmCap.Xcrs) != 0;
        _nestedBytes = Math.Min(system.Check(KvmCap.NestedState), MaxNestedBytes);
        _msrs = new KvmMsrs(vcpu, index, system.GetMsrIndices(KvmMsrs.MaxCount));
    }

    /// <exception cref="AcceleratorException">KVM refuses.</exception>
    public void Save(StateWriter writer)
    {
        // KVM finishes what a start-up IPI and a pending event have begun when it is asked for this, and so first.
        Get<KvmMpStateBytes>(writer, KvmRequest.GetMpState, "read whether it runs");
        Get<KvmRegs>(writer, KvmRequest.GetRegs, "read the general registers");
        Get<KvmSregs>(writer, KvmRequest.GetSregs, "read the system registers");
        SaveNested(writer);
        if (_hasXsave)
            Get<KvmXsave>(writer, KvmRequest.GetXsave, "read the extended registers");
        else
            Get<KvmFpu>(writer, KvmRequest.GetFpu, "read the x87 and SSE registers");
        if (_hasXcrs)
            Get<KvmXcrs>(writer, KvmRequest.GetXcrs, "read XCR0");
        if (_hasLapic)
            Get<KvmLapicState>(writer, KvmRequest.GetLapic, "read the local APIC");
        Get<KvmDebugRegs>(writer, KvmRequest.GetDebugRegs, "read the debug registers");
        Get<KvmVcpuEvents>(writer, KvmRequest.GetVcpuEvents, "read its pending events");
        _msrs.Save(writer);
    }

    /// <exception cref="AcceleratorException">KVM refuses: the state is not one that a processor can be in.</exception>
    /// <exception cref="StateFormatException">Cut off, or of another host's KVM.</exception>
    public void Load(ref StateReader reader)
    {
        var mp = Read<KvmMpStateBytes>(ref reader);
        var regs = Read<KvmRegs>(ref reader);
        var sregs = Read<KvmSregs>(ref reader);
        Set(KvmRequest.SetSregs, &sregs, "set the system registers");
        LoadNested(ref reader);
        Set(KvmRequest.SetRegs, &regs, "set the general registers");
        if (_hasXsave)
        {
            var xsave = Read<KvmXsave>(ref reader);
            Set(KvmRequest.SetXsave, &xsave, "set the extended registers");
        }
        else
        {
            var fpu = Read<KvmFpu>(ref reader);
            Set(KvmRequest.SetFpu, &fpu, "set the x87 and SSE registers");
        }
        if (_hasXcrs)
        {
            var xcrs = Read<KvmXcrs>(ref reader);
            Set(KvmRequest.SetXcrs, &xcrs, "set XCR0");
        }
        if (_hasLapic)
        {
            var lapic = Read<KvmLapicState>(ref reader);
            Set(KvmRequest.SetLapic, &lapic, "set the local APIC");
        }
        var debug = Read<KvmDebugRegs>(ref reader);
        Set(KvmRequest.SetDebugRegs, &debug, "set the debug registers");
        var events = Read<KvmVcpuEvents>(ref reader);
        _msrs.Load(ref reader);
        Set(KvmRequest.SetVcpuEvents, &events, "set its pending events");
        // Without a local APIC inside KVM it is always runnable, for KVM.
        if (_hasLapic)
            Set(KvmRequest.SetMpState, &mp, "set whether it runs");
    }

    private void SaveNested(StateWriter writer)
    {
        if (_nestedBytes == 0)
        {
            writer.Bytes([]);
            return;
        }
        // struct kvm_nested_state: flags and format (16 bits each), size (32 bits), which tells how much there is.
        var buffer = new byte[_nestedBytes];
        fixed (byte* p = buffer)
        {
            *(uint*)(p + 4) = (uint)buffer.Length;
            Set(KvmRequest.GetNestedState, p, "read the state of a nested guest");
            writer.Bytes(buffer.AsSpan(0, (int)Math.Min(*(uint*)(p + 4), (uint)buffer.Length)));
        }
    }

    private void LoadNested(ref StateReader reader)
    {
        var nested = reader.Bytes(MaxNestedBytes);
        if (nested.IsEmpty)
            return;
        // The kernel reads as much as the structure's own size says, and refuses what it does not know.
        var buffer = new byte[Math.Max(_nestedBytes, KvmRequest.NestedStateHeaderBytes)];
        if (nested.Length > buffer.Length || nested.Length < 8)
            throw new StateFormatException($"{nested.Length} bytes of a nested guest's state, where this host's KVM has {_nestedBytes}");
        nested.CopyTo(buffer);
        fixed (byte* p = buffer)
        {
            if (*(uint*)(p + 4) > buffer.Length)
                throw new StateFormatException($"a nested guest's state says it has {*(uint*)(p + 4)} bytes, where {nested.Length} are");
            Set(KvmRequest.SetNestedState, p, "set the state of a nested guest");
        }
    }

    private void Get<T>(StateWriter writer, nuint request, string doing) where T : unmanaged
    {
        T value = default;
        Set(request, &value, doing);
        writer.Bytes(new ReadOnlySpan<byte>(&value, sizeof(T)));
    }

    private static T Read<T>(ref StateReader reader) where T : unmanaged
    {
        var bytes = reader.Bytes(sizeof(T));
        return bytes.Length == sizeof(T)
            ? MemoryMarshal.Read<T>(bytes)
            : throw new StateFormatException($"{bytes.Length} bytes of a vCPU's state in KVM, where {sizeof(T)} were expected");
    }

    private void Set(nuint request, void* argument, string doing)
    {
        if (Libc.ioctl(_vcpu, request, argument) < 0)
            throw new AcceleratorException($"KVM cannot {doing} of vCPU {_index}: {KvmSystem.ErrorText()}");
    }

    /// <summary>struct kvm_mp_state.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct KvmMpStateBytes
    {
        public KvmMpState State;
    }
}
