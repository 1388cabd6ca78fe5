using System.Text;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Devices.Serial;
using Gauntlet.Vmm.Devices.Storage;
using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Tests.MachineTests;

/// <summary>A test that needs Debian's SeaBIOS; skipped where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SeaBiosFactAttribute : FactAttribute
{
    public const string Path = "/usr/share/seabios/bios-256k.bin";

    public SeaBiosFactAttribute()
    {
        if (!File.Exists(Path))
            Skip = $"there is no {Path}: install seabios";
    }
}

/// <summary>A machine as a user starts it from a disk.</summary>
public sealed class FirmwareBootTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    // Prints "booted" on COM1 by its port, then asks for the end by isa-debug-exit: status (21 << 1) | 1.
    private static ReadOnlySpan<byte> BootSector =>
    [
        0x31, 0xc0, 0x8e, 0xd8, // xor ax, ax; mov ds, ax
        0xbe, 0x1b, 0x7c, // mov si, 0x7c1b
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xac, // next: lodsb
        0x84, 0xc0, // test al, al
        0x74, 0x03, // jz done
        0xee, // out dx, al
        0xeb, 0xf8, // jmp next
        0xb0, 0x15, // done: mov al, 21
        0xba, 0xf4, 0x00, // mov dx, 0xf4
        0xee, // out dx, al
        0xf4, // hlt
        0xeb, 0xfd, // jmp to the hlt
        (byte)'b', (byte)'o', (byte)'o', (byte)'t', (byte)'e', (byte)'d', 0,
    ];

    [SeaBiosFact]
    public Task SeaBios_prints_its_banner_and_starts_a_boot_sector_from_a_virtio_disk() =>
        Boot(PcModel.Pc, (board, disk) => board.AddVirtio(new VirtioBlk(board.Machine.Memory, board.Machine.Clock, disk)));

    [SeaBiosFact]
    public Task SeaBios_starts_a_boot_sector_on_a_q35() =>
        Boot(PcModel.Q35, (board, disk) => board.AddVirtio(new VirtioBlk(board.Machine.Memory, board.Machine.Clock, disk)));

    [SeaBiosFact]
    public Task SeaBios_starts_a_boot_sector_from_an_ide_disk() => Boot(PcModel.Pc, (board, disk) => board.AddIdeDrive(new AtaDisk(disk)));

    [SeaBiosFact]
    public Task SeaBios_starts_a_boot_sector_from_a_sata_disk() => Boot(PcModel.Q35, (board, disk) => board.AddIdeDrive(new AtaDisk(disk), 2));

    private static async Task Boot(PcModel model, Action<PcBoard, MemoryImage> addDisk)
    {
        var disk = new MemoryImage(1 << 20);
        BootSector.CopyTo(disk.Content);
        (disk.Content[510], disk.Content[511]) = (0x55, 0xaa);
        var firmware = new FirmwareProgram("seabios", await File.ReadAllBytesAsync(SeaBiosFactAttribute.Path));
        var console = new Console();
        using var board = new PcBoard(
            new PcConfig { Model = model, Accelerators = [new AcceleratorChoice("tcg", new Dictionary<string, string>())], FirmwareBytes = firmware.Bytes, SerialPorts = [console], StartUtc = DateTime.UnixEpoch },
            _ => { });
        board.AddDebugExit(0xf4, 1);
        addDisk(board, disk);
        board.Complete(firmware);
        var run = Task.Factory.StartNew(() => board.Machine.Run(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        using var limit = new CancellationTokenSource(s_limit);
        using var registration = limit.Token.Register(board.Machine.RequestQuit);
        var end = await run;
        Assert.True(end == new MachineEnd(MachineEndKind.Exit, 43), $"{end}; console:\n{console.Text}");
        Assert.Contains("SeaBIOS (version", console.Text, StringComparison.Ordinal);
        Assert.EndsWith("booted", console.Text, StringComparison.Ordinal);
    }

    private sealed class Console : ISerialBackend
    {
        private readonly StringBuilder _text = new();

        public string Text => _text.ToString();

        public void Write(byte value) => _text.Append((char)value);

        public int Read(Span<byte> destination) => 0;
    }
}
