using System.Globalization;
using Gauntlet.Vmm.Accel.Tcg.Blocks;
using Iced.Intel;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.Verify;

/// <summary>A block's guest and host code as text.</summary>
internal static unsafe class BlockListing
{
    // Behind the part that leaves for the lookup there is nothing.
    private const int LeaveBytes = 40;

    /// <summary>The guest's instructions as memory has them now, an x86 guest's.</summary>
    public static string Guest(TcgCore core, TranslatedBlock* block)
    {
        var bytes = new byte[block->GuestLength];
        for (var i = 0; i < bytes.Length; i++)
        {
            var physical = block->Physical + (uint)i;
            if (block->SecondPage != TranslatedBlock.NoPage && (block->Physical & 0xfff) + (uint)i >= 0x1000)
                physical = block->SecondPage + ((block->Physical + (uint)i) & 0xfff);
            bytes[i] = (byte)core.ReadPhysical(physical, 1);
        }
        var bitness = (block->Key.Flags & 3) switch { 0 => 16, 1 => 32, _ => 64 };
        return Disassemble(bytes, bitness, block->Key.Pc);
    }

    public static string Host(TranslatedBlock* block) =>
        Disassemble(new ReadOnlySpan<byte>(block->HostEntry, (int)(block->HostLeave - block->HostEntry) + LeaveBytes).ToArray(), 64, (ulong)block->HostCode);

    private static string Disassemble(byte[] bytes, int bitness, ulong address)
    {
        var text = new System.Text.StringBuilder();
        var decoder = Decoder.Create(bitness, bytes);
        decoder.IP = address;
        var end = address + (ulong)bytes.Length;
        while (decoder.IP < end)
        {
            var instruction = decoder.Decode();
            text.Append(CultureInfo.InvariantCulture, $"  {instruction.IP:x} {instruction}\n");
        }
        return text.ToString();
    }
}
