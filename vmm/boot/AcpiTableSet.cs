using System.Buffers.Binary;
using System.Text;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>Puts ACPI tables below 1 MiB, one behind the other, and the pointers by which they are found.</summary>
/// <remarks>ACPI Specification 6.4, 5.2.5 (RSDP), 5.2.6 (header), 5.2.7 (RSDT), 5.2.8 (XSDT), 5.2.10 (FACS).</remarks>
/// <param name="machine">For messages: what the tables are about.</param>
internal sealed class AcpiTableSet(GuestMemory memory, string machine)
{
    public const int HeaderBytes = 36;

    private const ulong TablesAddress = 0xf0100;
    private const int FacsBytes = 64, RsdpBytes = 20, ExtendedRsdpBytes = 36;

    private readonly List<uint> _listed = [];
    private ulong _next = TablesAddress;

    /// <summary>Puts a table that others point to.</summary>
    /// <param name="body">Without the header.</param>
    /// <returns>Where it is.</returns>
    /// <exception cref="BootException">There is no room, or no RAM, below 1 MiB.</exception>
    public uint Put(string signature, byte revision, ReadOnlySpan<byte> body)
    {
        var table = new byte[HeaderBytes + body.Length];
        Encoding.ASCII.GetBytes(signature, table);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(4), (uint)table.Length);
        table[8] = revision;
        "GAUNTLGVMM    "u8.CopyTo(table.AsSpan(10));
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(24), 1);
        "GVMM"u8.CopyTo(table.AsSpan(28));
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(32), 1);
        body.CopyTo(table.AsSpan(HeaderBytes));
        table[9] = ChecksumOf(table);
        var address = _next;
        Load(address, table);
        _next = (_next + (ulong)table.Length + 15) & ~15UL;
        return (uint)address;
    }

    /// <summary>Puts a table that the root table lists, in the order of these calls.</summary>
    /// <exception cref="BootException">There is no room, or no RAM, below 1 MiB.</exception>
    public void PutListed(string signature, byte revision, ReadOnlySpan<byte> body) => _listed.Add(Put(signature, revision, body));

    /// <summary>Puts the FACS, all zero but its head.</summary>
    /// <exception cref="BootException">There is no RAM.</exception>
    public void PutFacs(ulong address)
    {
        var facs = new byte[FacsBytes];
        "FACS"u8.CopyTo(facs);
        BinaryPrimitives.WriteUInt32LittleEndian(facs.AsSpan(4), FacsBytes);
        Load(address, facs);
    }

    /// <summary>Puts the root table and what points to it.</summary>
    /// <param name="isExtended">An RSDP of revision 2, with an XSDT beside the RSDT.</param>
    /// <exception cref="BootException">There is no room, or no RAM, below 1 MiB.</exception>
    public void Finish(ulong rsdpAddress, bool isExtended)
    {
        var rsdt = Put("RSDT", 1, Pointers(sizeof(uint)));
        var rsdp = new byte[isExtended ? ExtendedRsdpBytes : RsdpBytes];
        "RSD PTR "u8.CopyTo(rsdp);
        "GAUNTL"u8.CopyTo(rsdp.AsSpan(9));
        BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(16), rsdt);
        if (isExtended)
        {
            rsdp[15] = 2;
            BinaryPrimitives.WriteUInt32LittleEndian(rsdp.AsSpan(20), ExtendedRsdpBytes);
            BinaryPrimitives.WriteUInt64LittleEndian(rsdp.AsSpan(24), Put("XSDT", 1, Pointers(sizeof(ulong))));
        }
        rsdp[8] = ChecksumOf(rsdp.AsSpan(0, RsdpBytes));
        if (isExtended)
            rsdp[32] = ChecksumOf(rsdp);
        Load(rsdpAddress, rsdp);
    }

    private byte[] Pointers(int width)
    {
        var pointers = new byte[_listed.Count * width];
        for (var i = 0; i < _listed.Count; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(pointers.AsSpan(i * width), _listed[i]);
        return pointers;
    }

    private void Load(ulong address, ReadOnlySpan<byte> bytes)
    {
        if (address + (ulong)bytes.Length > SmbiosTables.Address || !memory.TryLoad(address, bytes))
            throw new BootException($"the ACPI tables for {machine} do not fit below 1 MiB");
    }

    private static byte ChecksumOf(ReadOnlySpan<byte> table)
    {
        byte sum = 0;
        foreach (var value in table)
            sum += value;
        return (byte)-sum;
    }
}
