using System.Runtime.InteropServices;
using Gauntlet.Linux;
using Gauntlet.Vmm.State;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>The MSRs of one vCPU that KVM can save, many at a time (Documentation/virt/kvm/api.rst, KVM_GET_MSRS and KVM_SET_MSRS). Only while it is not in KVM_RUN.</summary>
/// <remarks>
/// Saved is a list of pairs, since which MSRs a host has depends on the host. The time-stamp counter and its deadline are last, as what the counter counts goes on.
/// </remarks>
/// <param name="listed">As KVM_GET_MSR_INDEX_LIST has them; a vCPU may lack some.</param>
internal sealed unsafe class KvmMsrs(SafeFileHandle vcpu, int index, uint[] listed)
{
    /// <summary>More than a host has.</summary>
    public const int MaxCount = 1024;

    /// <summary>As many as KVM takes at once.</summary>
    private const int MaxAtOnce = 256;

    private const uint Ia32TscDeadline = 0x6e0, Ia32Tsc = 0x10;

    /// <summary>Microsoft's synthetic MSRs: some only count, and cannot be set; a guest has them only when it was given that CPUID.</summary>
    private const uint FirstHyperV = 0x40000000, LastHyperV = 0x400000ff;

    private readonly KvmMsrEntry[] _saved = new KvmMsrEntry[MaxCount], _current = new KvmMsrEntry[MaxCount];

    /// <summary>struct kvm_msrs: the header, then as many entries as fit.</summary>
    private readonly byte[] _request = new byte[KvmRequest.MsrsHeaderBytes + MaxAtOnce * sizeof(KvmMsrEntry)];

    /// <summary>Those that this vCPU has; null until they were all asked for once.</summary>
    private uint[]? _present;

    public void Save(StateWriter writer)
    {
        var current = _current.AsSpan(0, (_present ??= FindPresent()).Length);
        SetIndices(current, _present);
        if (!TryGet(current))
        {
            // What the guest is shown, and so what it has, changed since.
            _present = FindPresent();
            current = _current.AsSpan(0, _present.Length);
            SetIndices(current, _present);
            if (!TryGet(current))
                throw new AcceleratorException($"KVM cannot read the MSRs of vCPU {index}, each of which it could read before: {KvmSystem.ErrorText()}");
        }
        writer.UInt32((uint)current.Length);
        foreach (var entry in current)
        {
            writer.UInt32(entry.Index);
            writer.UInt64(entry.Data);
        }
    }

    /// <exception cref="AcceleratorException">KVM refuses one of them.</exception>
    /// <exception cref="StateFormatException">There are too many, or not all that were said.</exception>
    public void Load(ref StateReader reader)
    {
        var count = reader.UInt32();
        if (count > MaxCount)
            throw new StateFormatException($"{count} MSRs, where there are at most {MaxCount}");
        var wanted = _saved.AsSpan(0, (int)count);
        foreach (ref var entry in wanted)
            entry = new KvmMsrEntry { Index = reader.UInt32(), Data = reader.UInt64() };
        SetAll(wanted[..KeepDifferent(wanted)]);
    }

    // What is right already need not be writable. Moves the others to the front and tells how many they are.
    private int KeepDifferent(Span<KvmMsrEntry> wanted)
    {
        var current = _current.AsSpan(0, wanted.Length);
        wanted.CopyTo(current);
        var areAllKnown = TryGet(current);
        var different = 0;
        for (var i = 0; i < wanted.Length; i++)
        {
            var (known, data) = areAllKnown ? (true, current[i].Data) : TryGetOne(wanted[i].Index);
            if (!known || data != wanted[i].Data)
                wanted[different++] = wanted[i];
        }
        return different;
    }

    private void SetAll(ReadOnlySpan<KvmMsrEntry> entries)
    {
        while (!entries.IsEmpty)
        {
            var chunk = entries[..Math.Min(entries.Length, MaxAtOnce)];
            // How many it took before one that it does not.
            var taken = Math.Max(Transfer(KvmRequest.SetMsrs, chunk), 0);
            if (taken < chunk.Length)
            {
                var refused = chunk[taken];
                // Those the host counts.
                if (refused.Index is not (>= FirstHyperV and <= LastHyperV))
                    throw new AcceleratorException($"KVM cannot set MSR 0x{refused.Index:x} of vCPU {index} to 0x{refused.Data:x}: this host's processor or KVM is not as the one that the snapshot is from");
                taken++;
            }
            entries = entries[taken..];
        }
    }

    private uint[] FindPresent()
    {
        var present = new List<uint>(listed.Length);
        foreach (var msr in listed)
        {
            if (msr is not (Ia32Tsc or Ia32TscDeadline) && TryGetOne(msr).Known)
                present.Add(msr);
        }
        foreach (var msr in (ReadOnlySpan<uint>)[Ia32Tsc, Ia32TscDeadline])
        {
            if (TryGetOne(msr).Known)
                present.Add(msr);
        }
        return [.. present];
    }

    private (bool Known, ulong Data) TryGetOne(uint msr)
    {
        var entry = new KvmMsrEntry { Index = msr };
        var known = TryGet(new Span<KvmMsrEntry>(ref entry));
        return (known, entry.Data);
    }

    /// <summary>Reads the values to the indices; false when there is one that the vCPU does not have.</summary>
    private bool TryGet(Span<KvmMsrEntry> entries)
    {
        while (!entries.IsEmpty)
        {
            var chunk = entries[..Math.Min(entries.Length, MaxAtOnce)];
            if (Transfer(KvmRequest.GetMsrs, chunk) != chunk.Length)
                return false;
            MemoryMarshal.Cast<byte, KvmMsrEntry>(_request.AsSpan(KvmRequest.MsrsHeaderBytes))[..chunk.Length].CopyTo(chunk);
            entries = entries[chunk.Length..];
        }
        return true;
    }

    private int Transfer(nuint request, ReadOnlySpan<KvmMsrEntry> entries)
    {
        fixed (byte* p = _request)
        {
            *(ulong*)p = (uint)entries.Length;
            entries.CopyTo(new Span<KvmMsrEntry>(p + KvmRequest.MsrsHeaderBytes, entries.Length));
            return Libc.ioctl(vcpu, request, p);
        }
    }

    private static void SetIndices(Span<KvmMsrEntry> entries, ReadOnlySpan<uint> indices)
    {
        for (var i = 0; i < entries.Length; i++)
            entries[i] = new KvmMsrEntry { Index = indices[i] };
    }
}
