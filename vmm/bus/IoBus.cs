namespace Gauntlet.Vmm.Bus;

/// <summary>
/// The machine's port and memory buses: which region of which device answers at an address. Devices see a region and an offset, never an
/// address. Dispatch allocates nothing.
/// </summary>
/// <remarks>
/// An access that is wider than the widest register of the region it hits, or that crosses a region's end, is split as the ISA and PCI
/// bridges do, lowest address first; what nobody claims reads as all ones and swallows writes. Every call is made with
/// <see cref="DeviceLock"/> held, either by the caller or through <see cref="VcpuIo"/>.
/// </remarks>
public sealed class IoBus
{
    private const int MaxPortRegions = ushort.MaxValue;
    private const int PortCount = 0x10000;

    // By port: index into _portRegions, 0 for none. 128 KiB, of which only the pages with devices are ever touched.
    private readonly ushort[] _portIndex = new ushort[PortCount];
    private PortRegion[] _portRegions = new PortRegion[32];
    private int _portRegionCount = 1;

    // By ascending address.
    private MmioRegion[] _mmio = new MmioRegion[8];
    private int _mmioCount;
    private int _lastMmio;

    /// <summary>The one lock of all devices of a machine. Re-entrant.</summary>
    public Lock DeviceLock { get; } = new();

    private IBusTap? _tap;

    // Target is who answers: the device, or somebody who listens in on it.
    private readonly record struct PortRegion(IPortDevice? Device, IPortDevice? Target, int Region, ushort Base, uint Length, int Widest);

    private readonly record struct MmioRegion(IMmioDevice Device, IMmioDevice Target, int Region, ulong Base, ulong Length, int Widest);

    /// <summary>One mapped region, for listings and tools.</summary>
    public readonly record struct Mapping(AddressSpace Space, ulong Base, ulong Length, IDevice Device, int Region);

    /// <summary>From here on the tap says who answers for each device, those that are mapped already among them.</summary>
    public void SetTap(IBusTap tap)
    {
        _tap = tap;
        for (var i = 1; i < _portRegionCount; i++)
        {
            if (_portRegions[i].Device is { } device)
                _portRegions[i] = _portRegions[i] with { Target = tap.Tap(device) };
        }
        for (var i = 0; i < _mmioCount; i++)
            _mmio[i] = _mmio[i] with { Target = tap.Tap(_mmio[i].Device) };
    }

    /// <summary>Gives a region of a device its ports.</summary>
    /// <exception cref="ArgumentException">The region is not of ports, or leaves the port space.</exception>
    /// <exception cref="InvalidOperationException">Another device is there.</exception>
    public void MapPorts(IPortDevice device, int region, ushort basePort)
    {
        if (!TryMapPorts(device, region, basePort))
            throw new InvalidOperationException(
                $"ports 0x{basePort:x}-0x{basePort + device.Regions[region].Length - 1:x} of {device.Name}: {OccupantOfPorts(basePort, device.Regions[region].Length)} is there already");
    }

    /// <summary>As <see cref="MapPorts"/>; false when any of the ports is taken: for base address registers, where the guest chooses.</summary>
    public bool TryMapPorts(IPortDevice device, int region, ushort basePort)
    {
        var map = RegionOf(device, region, AddressSpace.Port);
        if (map.Length == 0 || basePort + map.Length > PortCount)
            throw new ArgumentException($"{device.Name}: 0x{map.Length:x} ports at 0x{basePort:x} leave the port space");
        var ports = _portIndex.AsSpan(basePort, (int)map.Length);
        foreach (var occupant in ports)
        {
            if (occupant != 0)
                return false;
        }
        var index = FreePortRegion();
        _portRegions[index] = new PortRegion(device, _tap?.Tap(device) ?? device, region, basePort, (uint)map.Length, Math.Min(WidestOf(map), 4));
        foreach (ref var port in ports)
            port = (ushort)index;
        return true;
    }

    /// <summary>Takes the ports of a region away; nothing happens when it has none.</summary>
    public void UnmapPorts(IPortDevice device, int region)
    {
        for (var i = 1; i < _portRegionCount; i++)
        {
            if (ReferenceEquals(_portRegions[i].Device, device) && _portRegions[i].Region == region)
            {
                _portIndex.AsSpan(_portRegions[i].Base, (int)_portRegions[i].Length).Clear();
                _portRegions[i] = default;
            }
        }
    }

    /// <summary>Gives a region of a device its place in memory space. RAM at the same address hides it.</summary>
    /// <exception cref="ArgumentException">The region is not of memory, or passes the end of the address space.</exception>
    /// <exception cref="InvalidOperationException">Another device is there.</exception>
    public void MapMmio(IMmioDevice device, int region, ulong baseAddress)
    {
        if (!TryMapMmio(device, region, baseAddress))
            throw new InvalidOperationException($"memory at 0x{baseAddress:x} of {device.Name}: another device is there already");
    }

    /// <summary>As <see cref="MapMmio"/>; false when any of the addresses is taken.</summary>
    public bool TryMapMmio(IMmioDevice device, int region, ulong baseAddress)
    {
        var map = RegionOf(device, region, AddressSpace.Mmio);
        if (map.Length == 0 || baseAddress + (map.Length - 1) < baseAddress)
            throw new ArgumentException($"{device.Name}: 0x{map.Length:x} bytes at 0x{baseAddress:x} pass the end of the address space");
        var at = 0;
        while (at < _mmioCount && _mmio[at].Base < baseAddress)
            at++;
        if (at > 0 && baseAddress - _mmio[at - 1].Base < _mmio[at - 1].Length)
            return false;
        if (at < _mmioCount && _mmio[at].Base - baseAddress < map.Length)
            return false;
        if (_mmioCount == _mmio.Length)
            Array.Resize(ref _mmio, _mmio.Length * 2);
        Array.Copy(_mmio, at, _mmio, at + 1, _mmioCount - at);
        _mmio[at] = new MmioRegion(device, _tap?.Tap(device) ?? device, region, baseAddress, map.Length, WidestOf(map));
        _mmioCount++;
        return true;
    }

    /// <summary>Takes a region out of memory space; nothing happens when it is not there.</summary>
    public void UnmapMmio(IMmioDevice device, int region)
    {
        for (var i = 0; i < _mmioCount; i++)
        {
            if (!ReferenceEquals(_mmio[i].Device, device) || _mmio[i].Region != region)
                continue;
            _mmioCount--;
            Array.Copy(_mmio, i + 1, _mmio, i, _mmioCount - i);
            _mmio[_mmioCount] = default;
            _lastMmio = 0;
            return;
        }
    }

    /// <summary>Everything that is mapped: ports first, each by ascending base.</summary>
    public IReadOnlyList<Mapping> GetMappings()
    {
        var mappings = new List<Mapping>();
        for (var i = 1; i < _portRegionCount; i++)
        {
            if (_portRegions[i].Device is { } device)
                mappings.Add(new Mapping(AddressSpace.Port, _portRegions[i].Base, _portRegions[i].Length, device, _portRegions[i].Region));
        }
        mappings.Sort(static (a, b) => a.Base.CompareTo(b.Base));
        for (var i = 0; i < _mmioCount; i++)
            mappings.Add(new Mapping(AddressSpace.Mmio, _mmio[i].Base, _mmio[i].Length, _mmio[i].Device, _mmio[i].Region));
        return mappings;
    }

    /// <param name="port">First port.</param>
    /// <param name="size">1, 2 or 4 bytes.</param>
    public uint ReadPort(ushort port, int size)
    {
        uint value = 0;
        for (var done = 0; done < size;)
        {
            var at = (uint)port + (uint)done;
            ref readonly var region = ref PortRegionAt(at);
            var piece = PortPiece(in region, at, size - done);
            var bits = region.Target is { } device
                ? device.ReadPort(region.Region, at - region.Base, piece) & MaskOf(piece)
                : MaskOf(piece);
            value |= bits << (done * 8);
            done += piece;
        }
        return value;
    }

    /// <param name="port">First port.</param>
    /// <param name="size">1, 2 or 4 bytes.</param>
    /// <param name="value">The low <paramref name="size"/> bytes count.</param>
    public void WritePort(ushort port, int size, uint value)
    {
        for (var done = 0; done < size;)
        {
            var at = (uint)port + (uint)done;
            // A copy: a write may remap, as a base address register does.
            var region = PortRegionAt(at);
            var piece = PortPiece(in region, at, size - done);
            region.Target?.WritePort(region.Region, at - region.Base, piece, (value >> (done * 8)) & MaskOf(piece));
            done += piece;
        }
    }

    /// <param name="address">Guest-physical.</param>
    /// <param name="size">1 to 8 bytes.</param>
    public ulong ReadMmio(ulong address, int size)
    {
        ulong value = 0;
        for (var done = 0; done < size;)
        {
            var at = address + (ulong)done;
            var index = FindMmio(at);
            var piece = index < 0 ? 1 : MmioPiece(in _mmio[index], at, size - done);
            var bits = index < 0 ? 0xff : _mmio[index].Target.ReadMmio(_mmio[index].Region, at - _mmio[index].Base, piece) & LongMaskOf(piece);
            value |= bits << (done * 8);
            done += piece;
        }
        return value;
    }

    /// <param name="address">Guest-physical.</param>
    /// <param name="size">1 to 8 bytes.</param>
    /// <param name="value">The low <paramref name="size"/> bytes count.</param>
    public void WriteMmio(ulong address, int size, ulong value)
    {
        for (var done = 0; done < size;)
        {
            var at = address + (ulong)done;
            var index = FindMmio(at);
            if (index < 0)
            {
                done++;
                continue;
            }
            var region = _mmio[index];
            var piece = MmioPiece(in region, at, size - done);
            region.Target.WriteMmio(region.Region, at - region.Base, piece, (value >> (done * 8)) & LongMaskOf(piece));
            done += piece;
        }
    }

    private static RegisterMap RegionOf(IDevice device, int region, AddressSpace space)
    {
        var map = device.Regions[region];
        return map.Space == space ? map : throw new ArgumentException($"{device.Name}: region {map.Name} is not in {space} space");
    }

    // A region without declared registers is plain memory or a window, and takes any width.
    private static int WidestOf(RegisterMap map)
    {
        var widest = map.Registers.Count == 0 ? 8 : 1;
        foreach (var register in map.Registers)
            widest = Math.Max(widest, register.Width);
        return widest;
    }

    private static uint MaskOf(int bytes) => uint.MaxValue >> (32 - bytes * 8);

    private static ulong LongMaskOf(int bytes) => ulong.MaxValue >> (64 - bytes * 8);

    private static int PortPiece(in PortRegion region, uint port, int left)
    {
        if (region.Device is null)
            return 1;
        return LargestPiece(region.Widest, region.Length - (port - region.Base), left);
    }

    private static int MmioPiece(in MmioRegion region, ulong address, int left) =>
        LargestPiece(region.Widest, region.Length - (address - region.Base), left);

    private static int LargestPiece(int widest, ulong room, int left)
    {
        var piece = widest;
        while (piece > left || (ulong)piece > room)
            piece >>= 1;
        return piece;
    }

    private ref readonly PortRegion PortRegionAt(uint port) => ref _portRegions[port < PortCount ? _portIndex[port] : 0];

    private int FreePortRegion()
    {
        for (var i = 1; i < _portRegionCount; i++)
        {
            if (_portRegions[i].Device is null)
                return i;
        }
        if (_portRegionCount == MaxPortRegions)
            throw new InvalidOperationException($"more than {MaxPortRegions - 1} port regions in one machine");
        if (_portRegionCount == _portRegions.Length)
            Array.Resize(ref _portRegions, _portRegions.Length * 2);
        return _portRegionCount++;
    }

    private string OccupantOfPorts(ushort basePort, ulong length)
    {
        foreach (var index in _portIndex.AsSpan(basePort, (int)length))
        {
            if (index != 0)
                return $"{_portRegions[index].Device?.Name} (0x{_portRegions[index].Base:x}-0x{_portRegions[index].Base + _portRegions[index].Length - 1:x})";
        }
        return "nobody";
    }

    private int FindMmio(ulong address)
    {
        if (_lastMmio < _mmioCount && address - _mmio[_lastMmio].Base < _mmio[_lastMmio].Length)
            return _lastMmio;
        var (low, high) = (0, _mmioCount - 1);
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            ref readonly var region = ref _mmio[middle];
            if (address < region.Base)
                high = middle - 1;
            else if (address - region.Base >= region.Length)
                low = middle + 1;
            else
                return _lastMmio = middle;
        }
        return -1;
    }
}
