using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Protocols.Gdb;

/// <summary>
/// Guest memory as gdb sees it: by linear addresses through a vCPU's page tables, or by physical ones; RAM and ROM only, for reading a device's register may
/// change it. INT3s that are put here as breakpoints gdb never sees.
/// </summary>
/// <remarks>All of it while the machine stands still.</remarks>
internal sealed class GdbMemory(GuestMemory memory)
{
    private const byte Int3 = 0xcc;
    private const ulong PageBytes = 4096;

    private readonly List<Planted> _planted = [];

    private sealed class Planted(ulong linear, ulong physical)
    {
        public ulong Linear => linear;

        public ulong Physical => physical;

        /// <summary>What the guest has there.</summary>
        public byte Original { get; set; }
    }

    /// <summary>Addresses are guest-physical.</summary>
    public bool IsPhysical { get; set; }

    /// <summary>False when any byte has no translation or is not RAM.</summary>
    public bool TryRead(in X86State state, ulong address, Span<byte> destination)
    {
        for (var done = 0; done < destination.Length;)
        {
            if (!TryPiece(state, address + (ulong)done, destination.Length - done, out var physical, out var length)
                || !memory.TryRead(physical, destination.Slice(done, length)))
                return false;
            foreach (var planted in _planted)
            {
                if (planted.Physical - physical < (ulong)length)
                    destination[done + (int)(planted.Physical - physical)] = planted.Original;
            }
            done += length;
        }
        return true;
    }

    /// <summary>Into ROM too. False when any byte has no translation or is not RAM; what comes before it is written.</summary>
    public bool TryWrite(in X86State state, ulong address, ReadOnlySpan<byte> source)
    {
        for (var done = 0; done < source.Length;)
        {
            if (!TryPiece(state, address + (ulong)done, source.Length - done, out var physical, out var length))
                return false;
            var piece = source.Slice(done, length).ToArray();
            foreach (var planted in _planted)
            {
                if (planted.Physical - physical >= (ulong)length)
                    continue;
                planted.Original = piece[planted.Physical - physical];
                piece[planted.Physical - physical] = Int3;
            }
            if (!memory.TryLoad(physical, piece))
                return false;
            done += length;
        }
        return true;
    }

    /// <summary>Has INT3s at these addresses and nowhere else; false when there is no memory for one of them.</summary>
    public bool TryPlant(in X86State state, IReadOnlyList<ulong> addresses)
    {
        for (var i = _planted.Count - 1; i >= 0; i--)
        {
            if (!addresses.Contains(_planted[i].Linear))
                RemoveAt(i);
        }
        foreach (var address in addresses)
        {
            if (!_planted.Exists(planted => planted.Linear == address) && !TryPlant(state, address))
                return false;
        }
        return true;
    }

    private bool TryPlant(in X86State state, ulong linear)
    {
        if (!TryPiece(state, linear, 1, out var physical, out _) || !memory.IsBacked(physical, 1, forWrite: false))
            return false;
        var point = new Planted(linear, physical);
        Plant(point);
        _planted.Add(point);
        return true;
    }

    private void RemoveAt(int index)
    {
        var point = _planted[index];
        _planted.RemoveAt(index);
        Span<byte> current = stackalloc byte[1];
        // The guest may have loaded something else over it.
        if (memory.TryRead(point.Physical, current) && current[0] == Int3)
            memory.TryLoad(point.Physical, [point.Original]);
    }

    /// <summary>Again, after a reset has put the guest's image back.</summary>
    public void PlantAgain()
    {
        Span<byte> current = stackalloc byte[1];
        foreach (var point in _planted)
        {
            if (memory.TryRead(point.Physical, current) && current[0] != Int3)
                Plant(point);
        }
    }

    private void Plant(Planted point)
    {
        Span<byte> current = stackalloc byte[1];
        memory.TryRead(point.Physical, current);
        point.Original = current[0];
        memory.TryLoad(point.Physical, [Int3]);
    }

    // Up to the end of the page.
    private bool TryPiece(in X86State state, ulong address, int left, out ulong physical, out int length)
    {
        length = (int)Math.Min((ulong)left, PageBytes - address % PageBytes);
        physical = address;
        return IsPhysical || X86PageWalk.TryTranslate(memory, state, address, out physical);
    }
}
