using System.Buffers.Binary;
using System.Text;
using FsCheck.Fluent;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Boot;

/// <summary>The x86/HVM direct boot ABI: what a kernel finds at its entry.</summary>
public sealed class PvhProgramTests : IDisposable
{
    private const uint Load = 0x100000, Entry = 0x100010;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly GuestMemory _memory = new([new GuestRam("low", 0, 0xa0000), new GuestRam("high", Load, 0x700000)]);

    // At the entry: EBX points to the magic and version 1, to a command line that begins with 'h', and to a map of at least two ranges. Ends with 43 if so.
    private static readonly byte[] s_code =
    [
        0x81, 0x3b, 0x78, 0xc5, 0x6e, 0x33, // cmp dword [ebx], 0x336ec578
        0x75, 0x1d, // jne fail
        0x83, 0x7b, 0x04, 0x01, // cmp dword [ebx+4], 1
        0x75, 0x17, // jne fail
        0x8b, 0x43, 0x18, // mov eax, [ebx+24]
        0x80, 0x38, 0x68, // cmp byte [eax], 'h'
        0x75, 0x0f, // jne fail
        0x83, 0x7b, 0x30, 0x02, // cmp dword [ebx+48], 2
        0x72, 0x09, // jb fail
        0xb0, 0x15, // mov al, 21
        0x66, 0xba, 0xf4, 0x00, // mov dx, 0xf4
        0xee, // out dx, al
        0xeb, 0xfe, // jmp to itself
        0xb0, 0x01, // fail: mov al, 1
        0x66, 0xba, 0xf4, 0x00,
        0xee,
        0xeb, 0xfe,
    ];

    public void Dispose() => _memory.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Segments_go_to_their_physical_addresses_and_ebx_points_to_the_start_information(bool is64)
    {
        Assert.True(_memory.TryWrite(Load + 0x1000, [0xff]));
        var state = Start(Kernel(is64), "hello", new BootModule([1, 2, 3], "initrd argument"));
        Assert.Equal((Entry, 0x11UL, 0UL), ((uint)state.Rip, state.Cr0, state.Cr4));
        Assert.Equal(s_code, Bytes(Entry, s_code.Length));
        Assert.Equal([0], Bytes(Load + 0x1000, 1));
        var info = (uint)state.Gpr[3];
        Assert.Equal((0x336ec578u, 1u, 0u, 1u), (Word(info), Word(info + 4), Word(info + 8), Word(info + 12)));
        Assert.Equal("hello", Text(Word(info + 24)));
        var module = Word(info + 16);
        Assert.Equal((3u, 0u), (Word(module + 8), Word(module) % 4096));
        Assert.Equal([1, 2, 3], Bytes(Word(module), 3));
        Assert.Equal("initrd argument", Text(Word(module + 16)));
    }

    [Fact]
    public void The_map_holds_all_ram()
    {
        var info = (uint)Start(Kernel(is64: true), "").Gpr[3];
        var ram = 0UL;
        for (var i = 0u; i < Word(info + 48); i++)
        {
            var entry = Word(info + 40) + i * 24;
            if (Word(entry + 16) == 1)
                ram += Word(entry + 8);
        }
        Assert.Equal(0x9fc00UL + 0x700000, ram);
    }

    [Fact]
    public async Task A_kernel_is_entered_and_finds_what_it_was_promised()
    {
        using var board = new MicrovmBoard(
            new MicrovmConfig { Accelerators = [new AcceleratorChoice("tcg", new Dictionary<string, string>())], RamBytes = 8 << 20, StartUtc = DateTime.UnixEpoch }, _ => { });
        board.AddDebugExit(0xf4, 1);
        board.Complete(new PvhProgram("kernel", Kernel(is64: false), "hello", []));
        var run = Task.Factory.StartNew(() => board.Machine.Run(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        using var limit = new CancellationTokenSource(s_limit);
        using var registration = limit.Token.Register(board.Machine.RequestQuit);
        Assert.Equal(new MachineEnd(MachineEndKind.Exit, 43), await run);
    }

    [Theory]
    [InlineData(18, 7, "machine 7")]
    [InlineData(44, 0xff, "pass the end of the file")]
    [InlineData(52 + 15, 0xff, "not all RAM")]
    [InlineData(52 + 22, 0xff, "not all RAM")]
    [InlineData(52 + 16 + 3, 0xff, "pass the file's end")]
    [InlineData(52 + 32 + 4 + 3, 0xff, "pass the file's end")]
    public void What_is_wrong_with_an_image_is_said(int offset, byte value, string message)
    {
        var image = Kernel(is64: false);
        image[offset] = value;
        Assert.Contains(message, Assert.Throws<BootException>(() => Start(image, "")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_without_the_note_or_over_the_start_information_is_refused()
    {
        var image = Kernel(is64: false);
        image[0x100 + 8] = 17;
        Assert.Contains("XEN_ELFNOTE_PHYS32_ENTRY", Assert.Throws<BootException>(() => Start(image, "")).Message, StringComparison.Ordinal);
        image = Kernel(is64: false);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(52 + 12), 0xffffff00);
        Assert.Contains("passes 4 GiB", Assert.Throws<BootException>(() => Start(image, "")).Message, StringComparison.Ordinal);
        image = Kernel(is64: false);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(52 + 20), 0x80);
        Assert.Contains("more than the", Assert.Throws<BootException>(() => Start(image, "")).Message, StringComparison.Ordinal);
        image = Kernel(is64: false);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(52 + 12), 0x5000);
        Assert.Contains("start information", Assert.Throws<BootException>(() => Start(image, "")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_is_changed_in_an_image_it_starts_or_is_refused()
    {
        var changes = from is64 in ArbMap.Default.GeneratorFor<bool>()
                      from places in Gen.ListOf(Gen.Choose(0, 0x140))
                      from value in Gen.Choose(0, 255)
                      select (is64, places, value);
        Prop.ForAll(changes.ToArbitrary(), change =>
        {
            var image = Kernel(change.is64);
            foreach (var place in change.places)
                image[place] = (byte)change.value;
            try
            {
                Start(image, "x");
            }
            catch (BootException)
            {
                // Refused, with a reason.
            }
        }).Holds();
    }

    private X86State Start(byte[] image, string commandLine, params BootModule[] modules)
    {
        var state = default(X86State);
        new PvhProgram("kernel", image, commandLine, modules).Start(_memory, ref state);
        return state;
    }

    // One load segment with the code, and the note at 0x100.
    private static byte[] Kernel(bool is64)
    {
        var image = new byte[0x300];
        byte[] head = [0x7f, (byte)'E', (byte)'L', (byte)'F', (byte)(is64 ? 2 : 1), 1, 1];
        head.CopyTo(image, 0);
        Put16(16, 2);
        Put16(18, (ushort)(is64 ? 62 : 3));
        var (table, entryBytes) = is64 ? (64, 56) : (52, 32);
        Put(is64 ? 32 : 28, (uint)table);
        Put16(is64 ? 54 : 42, (ushort)entryBytes);
        Put16(is64 ? 56 : 44, 2);
        if (is64)
        {
            Put(table, 1);
            Put(table + 8, 0x200);
            Put(table + 24, Load);
            Put(table + 32, 0x100);
            Put(table + 40, 0x2000);
            Put(table + 56, 4);
            Put(table + 56 + 8, 0x100);
            Put(table + 56 + 32, 24);
        }
        else
        {
            Put(table, 1);
            Put(table + 4, 0x200);
            Put(table + 12, Load);
            Put(table + 16, 0x100);
            Put(table + 20, 0x2000);
            Put(table + 32, 4);
            Put(table + 32 + 4, 0x100);
            Put(table + 32 + 16, 24);
        }
        Put(0x100, 4);
        Put(0x104, is64 ? 8u : 4);
        Put(0x108, 18);
        "Xen\0"u8.CopyTo(image.AsSpan(0x10c));
        Put(0x110, Entry);
        s_code.CopyTo(image, 0x210);
        return image;

        void Put(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(offset), value);
        void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(offset), value);
    }

    private byte[] Bytes(uint address, int count)
    {
        var bytes = new byte[count];
        Assert.True(_memory.TryRead(address, bytes));
        return bytes;
    }

    private uint Word(uint address) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(address, 4));

    private string Text(uint address) => Encoding.UTF8.GetString(Bytes(address, 64)).Split('\0')[0];
}
