using System.Buffers.Binary;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Devices.Pci;

/// <summary>
/// The host bridge's programmable attribute map: for each area between 768 KiB and 1 MiB whether reads, and whether writes, go to RAM or to the ROM behind.
/// </summary>
/// <remarks>
/// Intel 82441FX data sheet, 3.2.18 (PAM0 to PAM6), and as it Intel 3 Series chip sets, 5.1.20 and following. What is read from and written to the same
/// place is memory of the machine; only while an area reads from ROM and writes to RAM does each access come here. Where there is no ROM, ones are read.
/// </remarks>
public sealed class AttributeMap : IMmioDevice, IResettable, ISaveable
{
    public const ulong Address = 0xc0000;
    public const int Bytes = 0x40000, RegisterCount = 7;

    /// <summary>Writable bits of a register: read, write and cache enable of two areas.</summary>
    public const byte Writable = 0x77;

    /// <summary>Of the registers when firmware has made all of it RAM: PAM0 has no lower area.</summary>
    public const byte AllRam = 0x33, AllRamFirst = 0x30;

    private const int AreaBytes = 0x4000, FirstBiosArea = 12, AreaCount = 13;
    private const byte ReadEnable = 1, WriteEnable = 2, Both = ReadEnable | WriteEnable;

    private readonly GuestMemory _memory;
    private readonly GuestRam _shadow;
    private readonly GuestRam? _rom;
    private readonly ulong _romStart;
    private readonly Action<IReadOnlyList<GuestRam>> _setLayout;

    // By area: what is seen with reads and writes to RAM, reads from RAM, reads from ROM.
    private readonly GuestRam[] _ram = new GuestRam[AreaCount], _ramReadOnly = new GuestRam[AreaCount];
    private readonly GuestRam?[] _romWindows = new GuestRam?[AreaCount];
    private readonly byte[] _areas = new byte[AreaCount];
    private readonly byte _resetArea;

    /// <param name="memory">Its layout changes with the registers.</param>
    /// <param name="shadow">RAM at <see cref="Address"/>, <see cref="Bytes"/> long, of that memory's backing.</param>
    /// <param name="rom">The firmware's ROM, whose end is seen at the end of the map; null when there is none.</param>
    /// <param name="isRamAfterReset">As firmware leaves it, which does not run.</param>
    /// <param name="setLayout">Tells the machine what is to be seen.</param>
    public AttributeMap(GuestMemory memory, GuestRam shadow, GuestRam? rom, bool isRamAfterReset, Action<IReadOnlyList<GuestRam>> setLayout)
    {
        (_memory, _shadow, _rom, _setLayout) = (memory, shadow, rom, setLayout);
        _resetArea = isRamAfterReset ? Both : (byte)0;
        var romBytes = Math.Min(rom?.Length ?? 0, Bytes / 2);
        _romStart = Address + Bytes - romBytes;
        for (var area = 0; area < AreaCount; area++)
        {
            var (start, length) = RangeOf(area);
            _ram[area] = shadow.Window("pc.shadow", start, start - Address, length, readOnly: false);
            _ramReadOnly[area] = shadow.Window("pc.shadow-ro", start, start - Address, length, readOnly: true);
            if (rom is not null && start >= _romStart)
                _romWindows[area] = rom.Window("pc.isa-bios", start, rom.Length - (Address + Bytes - start), length, readOnly: true);
        }
        // What is seen before the first reset is the backing.
        _areas.AsSpan().Fill(Both);
    }

    public string Name => "pam";

    public IReadOnlyList<RegisterMap> Regions { get; } = [new("shadow", AddressSpace.Mmio, Bytes, [])];

    public int StateVersion => 1;

    /// <summary>The host bridge's registers were written.</summary>
    /// <param name="registers">PAM0 to PAM6.</param>
    public void Update(ReadOnlySpan<byte> registers)
    {
        Span<byte> areas = stackalloc byte[AreaCount];
        // The upper half of PAM0 is the area of 64 KiB at 960 KiB; PAM1 to PAM6 have two of 16 KiB each, from 768 KiB.
        areas[FirstBiosArea] = (byte)(registers[0] >> 4 & Both);
        for (var area = 0; area < FirstBiosArea; area++)
            areas[area] = (byte)(registers[1 + area / 2] >> (area % 2 * 4) & Both);
        Set(areas);
    }

    public ulong ReadMmio(int region, ulong offset, int size)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        bytes.Fill(byte.MaxValue);
        for (var i = 0; i < size; i++)
        {
            var at = Address + offset + (ulong)i;
            if ((_areas[AreaOf(at)] & ReadEnable) != 0)
                bytes[i] = _shadow.GetSpan(at - Address, 1)[0];
            else if (_rom is not null && at >= _romStart)
                bytes[i] = _rom.GetSpan(_rom.Length - (Address + Bytes - at), 1)[0];
        }
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    public void WriteMmio(int region, ulong offset, int size, ulong value)
    {
        for (var i = 0; i < size; i++)
        {
            if ((_areas[AreaOf(Address + offset + (ulong)i)] & WriteEnable) != 0)
                _memory.Write(_shadow, offset + (ulong)i, [(byte)(value >> (i * 8))]);
        }
    }

    public void Reset()
    {
        Span<byte> areas = stackalloc byte[AreaCount];
        areas.Fill(_resetArea);
        Set(areas);
    }

    public void Save(StateWriter writer)
    {
        foreach (var area in _areas)
            writer.Byte(area);
    }

    public void Load(ref StateReader reader)
    {
        Span<byte> areas = stackalloc byte[AreaCount];
        foreach (ref var area in areas)
            area = (byte)(reader.Byte() & Both);
        Set(areas);
    }

    private static (ulong Start, ulong Length) RangeOf(int area) =>
        (Address + (ulong)area * AreaBytes, area == FirstBiosArea ? 4UL * AreaBytes : AreaBytes);

    private static int AreaOf(ulong address) => Math.Min((int)((address - Address) / AreaBytes), FirstBiosArea);

    private void Set(ReadOnlySpan<byte> areas)
    {
        if (areas.SequenceEqual(_areas))
            return;
        areas.CopyTo(_areas);
        var layout = new List<GuestRam>();
        foreach (var run in _memory.Backing)
        {
            if (!ReferenceEquals(run, _shadow))
                layout.Add(run);
        }
        if (!areas.ContainsAnyExcept(Both))
        {
            layout.Add(_shadow);
        }
        else
        {
            for (var area = 0; area < AreaCount; area++)
            {
                if (WindowOf(area) is { } window)
                    layout.Add(window);
            }
        }
        _setLayout(layout);
    }

    private GuestRam? WindowOf(int area) => _areas[area] switch
    {
        Both => _ram[area],
        ReadEnable => _ramReadOnly[area],
        WriteEnable => null,
        _ => _romWindows[area],
    };
}
