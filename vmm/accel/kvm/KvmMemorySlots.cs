using Gauntlet.Linux;
using Gauntlet.Vmm.Memory;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Accel.Kvm;

/// <summary>The guest's RAM and ROM as KVM's memory slots. Not safe for concurrent use; the machine changes its layout under its own lock.</summary>
internal sealed unsafe class KvmMemorySlots(SafeFileHandle vm, int slotLimit)
{
    private readonly List<GuestRam?> _slots = [];
    private bool _tracksWrites;
    private ulong[] _written = [];

    /// <summary>
    /// Makes the slots what the layout says: those no longer in it go first, because slots may not overlap even for a moment. RAM that stays is not touched.
    /// </summary>
    /// <exception cref="AcceleratorException">Two runs overlap, there are more than the host has slots, or KVM refuses one.</exception>
    public void Set(IReadOnlyList<GuestRam> layout)
    {
        CheckNoOverlap(layout);
        // What a slot knows goes with it.
        CollectWrites();
        for (var slot = 0; slot < _slots.Count; slot++)
        {
            if (_slots[slot] is not { } old || layout.Contains(old))
                continue;
            Apply(slot, old, present: false);
            _slots[slot] = null;
        }

        foreach (var ram in layout)
        {
            if (_slots.Contains(ram))
                continue;
            var slot = _slots.IndexOf(null);
            if (slot < 0)
            {
                slot = _slots.Count;
                if (slot >= slotLimit)
                    throw new AcceleratorException($"the machine's memory has more than {slotLimit} runs, as many as this host's KVM has slots: give it fewer");
                _slots.Add(null);
            }

            Apply(slot, ram, present: true);
            _slots[slot] = ram;
        }
    }

    /// <summary>Has KVM note which pages the guest writes.</summary>
    /// <exception cref="AcceleratorException">KVM refuses.</exception>
    public void TrackWrites()
    {
        if (_tracksWrites)
            return;
        _tracksWrites = true;
        for (var slot = 0; slot < _slots.Count; slot++)
        {
            if (_slots[slot] is { } ram)
                Apply(slot, ram, present: true);
        }
    }

    /// <summary>Notes in each run what the guest wrote since the last call (api.rst, KVM_GET_DIRTY_LOG).</summary>
    /// <exception cref="AcceleratorException">KVM refuses.</exception>
    public void CollectWrites()
    {
        for (var slot = 0; slot < _slots.Count && _tracksWrites; slot++)
        {
            if (_slots[slot] is not { ReadOnly: false } ram)
                continue;
            var words = (int)((ram.Length / GuestRam.PageSize + 63) / 64);
            if (_written.Length < words)
                _written = new ulong[words];
            fixed (ulong* bitmap = _written)
            {
                var log = new KvmDirtyLog { Slot = (uint)slot, Bitmap = (ulong)bitmap };
                if (Libc.ioctl(vm, KvmRequest.GetDirtyLog, &log) < 0)
                    throw new AcceleratorException($"KVM does not tell which pages of {ram.Name} were written: {KvmSystem.ErrorText()}");
            }
            for (var i = 0; i < words; i++)
            {
                if (_written[i] != 0)
                    ram.MarkDirty(i, _written[i]);
            }
        }
    }

    private static void CheckNoOverlap(IReadOnlyList<GuestRam> layout)
    {
        for (var i = 0; i < layout.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (layout[i].Contains(layout[j].GuestAddress) || layout[j].Contains(layout[i].GuestAddress))
                    throw new AcceleratorException($"{layout[j].Name} and {layout[i].Name} overlap at guest address 0x{Math.Max(layout[i].GuestAddress, layout[j].GuestAddress):x}: the machine's memory layout is wrong");
            }
        }
    }

    private void Apply(int slot, GuestRam ram, bool present)
    {
        var region = new KvmUserspaceMemoryRegion
        {
            Slot = (uint)slot,
            Flags = ram.ReadOnly ? KvmUserspaceMemoryRegion.ReadOnly : _tracksWrites ? KvmUserspaceMemoryRegion.LogDirtyPages : 0,
            GuestPhysAddr = ram.GuestAddress,
            // Size 0 takes the slot away.
            MemorySize = present ? ram.Length : 0,
            UserspaceAddr = (ulong)ram.HostPointer,
        };
        if (Libc.ioctl(vm, KvmRequest.SetUserMemoryRegion, &region) != 0)
            throw new AcceleratorException($"KVM does not {(present ? "take" : "give back")} {ram.Name}, 0x{ram.Length:x} bytes at guest address 0x{ram.GuestAddress:x}: {KvmSystem.ErrorText()}");
    }
}
