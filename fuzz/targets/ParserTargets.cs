using System.Buffers.Binary;
using System.Text;
using Gauntlet.Guests.Images;
using Gauntlet.Harness.Suites;
using Gauntlet.Pipelines.Checks.Parsing;
using Gauntlet.Pipelines.Series;
using Gauntlet.Results.Yaml;
using Gauntlet.Terminal;
using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Boot;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Memory;
using Gauntlet.Vmm.Protocols.Qtest;
using Gauntlet.Vmm.State;

namespace Gauntlet.Fuzz.Targets;

/// <summary>Every reader of bytes that a guest, a mail or a downloaded file brings.</summary>
internal static class ParserTargets
{
    private const int RamBytes = 4 << 20;

    // Magic, flags 16 (addresses follow), checksum; header, load, end of data and of bss, entry (Multiboot Specification 0.6.96, 3.1).
    private static readonly byte[] s_multiboot =
        Convert.FromHexString("02b0ad1b" + "00000100" + "fe4f51e4" + "00001000" + "00001000" + "24001000" + "00201000" + "20001000" + "f4f4f4f4");

    private const string Patch =
        """
        From: A <a@example.org>
        Subject: [PATCH v2 1/2] x: y
        Message-Id: <1@x>
        In-Reply-To: <0@x>

        Log.

        Signed-off-by: A <a@example.org>
        ---
        diff --git a/x.c b/x.c
        --- a/x.c
        +++ b/x.c
        @@ -1,2 +1,4 @@
         int a;
        +#define B(x) do { (x)++; } while (0)
        +static void f(int *p) { if (p) { return; } /* c */ }
        -int b;

        """;

    public static IReadOnlyList<TargetEntry> All { get; } =
    [
        new("multiboot", "multiboot and ELF images", () => new ParserTarget(
            bytes => _ = new MultibootProgram("image", bytes, "arguments", []), exception => exception is BootException, s_multiboot, Elf()), "Gauntlet.Vmm.Boot."),
        new("pvh", "ELF kernels with a PVH entry, and their place in memory", NewPvh, "Gauntlet.Vmm.Boot.Pvh"),
        new("bzimage", "Linux kernels, and their place in memory", NewLinux, "Gauntlet.Vmm.Boot.Linux"),
        new("qcow2", "qcow2 images: opened, read, written", () => new ImageTarget(), "Gauntlet.Vmm.Storage."),
        new("snapshot", "sections of a saved machine", () => new ParserTarget(ReadSnapshot, exception => exception is StateFormatException, Snapshot()), "Gauntlet.Vmm.State."),
        new("qtest", "qtest's lines", NewQtest, "Gauntlet.Vmm.Protocols.Qtest."),
        new("initramfs", "cpio archives", () => new ParserTarget(bytes => CpioArchive.Read(bytes), exception => exception is InvalidDataException, Initramfs()), "Gauntlet.Guests.Images.Cpio"),
        new("unittests-cfg", "unittests.cfg", () => ParserTarget.OfText(text => CfgReader.Read(text, "unittests.cfg", []), exception => exception is UserException, "[DEFAULT]\n[smp]\nfile = smptest.flat\nsmp = 2\nextra_params = -cpu max\ntimeout = 9\ngroups = a b\n"), "Gauntlet.Harness.Suites."),
        new("yaml", "suite and matrix YAML", () => ParserTarget.OfText(text => YamlFile.Parse(text, "file.yaml"), exception => exception is UserException, "schema: 1\nitems:\n  - name: \"a\"\n    list: [1, two]\n  - {b: c}\n"), "Gauntlet.Results.Yaml."),
        new("mail", "mails: headers, encodings, the patch in them", () => new ParserTarget(ReadMail, static _ => false, Encoding.UTF8.GetBytes(Patch)), "Gauntlet.Pipelines.Series.Mail", "Gauntlet.Pipelines.Checks.Parsing."),
        new("check-qemu", "patches under QEMU's rules", () => new CheckTarget("qemu", Patch), "Gauntlet.Pipelines.Checks."),
        new("check-linux", "patches under Linux's rules", () => new CheckTarget("linux", Patch), "Gauntlet.Pipelines.Checks."),
    ];

    private static ParserTarget NewPvh()
    {
        // ELF64 for x86-64, a load segment of 16 bytes at 1 MiB, and a note: owner "Xen", 18 (XEN_ELFNOTE_PHYS32_ENTRY), the entry.
        var kernel = new byte[216];
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(kernel);
        (kernel[18], kernel[32], kernel[54], kernel[56]) = (62, 64, 56, 2);
        (kernel[64], kernel[72], kernel[90], kernel[96], kernel[105]) = (1, 200, 0x10, 16, 0x10);
        (kernel[120], kernel[128], kernel[152]) = (4, 176, 20);
        (kernel[176], kernel[180], kernel[184], kernel[194]) = (4, 4, 18, 0x10);
        "Xen"u8.CopyTo(kernel.AsSpan(188));
        var memory = new GuestMemory([new GuestRam("ram", 0, RamBytes)]);
        return new ParserTarget(
            bytes =>
            {
                var program = new PvhProgram("kernel", bytes, "console=ttyS0", [new BootModule([1, 2, 3], "initrd")]);
                var state = default(X86State);
                program.Start(memory, ref state);
            },
            exception => exception is BootException, kernel);
    }

    // A header, one PT_LOAD of some bytes with a bss, and the multiboot header in them (System V ABI, chapters 4 and 5).
    private static byte[] Elf()
    {
        const int HeaderBytes = 52, ProgramHeaderBytes = 32, Start = HeaderBytes + ProgramHeaderBytes;
        const uint LoadAddress = 0x100000;
        var image = new byte[Start + 32];
        byte[] identification = [0x7f, (byte)'E', (byte)'L', (byte)'F', 1, 1, 1];
        identification.CopyTo(image, 0);
        (image[16], image[18], image[20], image[40], image[42], image[44]) = (2, 3, 1, HeaderBytes, ProgramHeaderBytes, 1);
        Word(24, LoadAddress + 16);
        Word(28, HeaderBytes);
        foreach (var (index, value) in ((int, uint)[])[(0, 1), (1, Start), (2, LoadAddress), (3, LoadAddress), (4, 32), (5, 0x1000), (6, 7), (7, 0x1000)])
            Word(HeaderBytes + index * 4, value);
        Word(Start, 0x1badb002);
        Word(Start + 8, unchecked(0 - 0x1badb002U));
        return image;

        void Word(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at), value);
    }

    private static ParserTarget NewLinux()
    {
        // Boot sector, setup sectors, header "HdrS" of protocol 2.12 with a 64-bit entry (Linux, Documentation/arch/x86/boot.rst).
        var kernel = new byte[2048];
        kernel[0x1f1] = 1;
        "HdrS"u8.CopyTo(kernel.AsSpan(0x202));
        (kernel[0x206], kernel[0x207], kernel[0x211], kernel[0x236], kernel[0x239]) = (0x0c, 0x02, 1, 1, 8);
        BinaryPrimitives.WriteUInt32LittleEndian(kernel.AsSpan(0x22c), 0x7fffffff);
        var memory = new GuestMemory([new GuestRam("ram", 0, RamBytes)]);
        return new ParserTarget(
            bytes =>
            {
                var program = new LinuxProgram("kernel", bytes, "console=ttyS0", [1, 2, 3]);
                var state = default(X86State);
                program.Start(memory, ref state);
            },
            exception => exception is BootException, kernel);
    }

    private static void ReadSnapshot(byte[] bytes)
    {
        var reader = new SnapshotReader(new MemoryStream(bytes));
        while (reader.Next())
        {
        }
    }

    private static byte[] Snapshot()
    {
        var stream = new MemoryStream();
        var writer = new SnapshotWriter(stream);
        writer.Add(default, 0, "state"u8);
        writer.End();
        return stream.ToArray();
    }

    private static ParserTarget NewQtest()
    {
        var server = new QtestServer(new NullChardev("qtest"), new QtestTarget(null, null), log: null);
        // The line's end: what is left of one input is no part of the next.
        return new ParserTarget(bytes => { server.OnConnected(); server.OnReceived(bytes); server.OnReceived("\n"u8); }, static _ => false,
            "outb 0x70 017\nwrite 0x1000 4 0xdeadbeef\nb64write 0x10 3 AQID\nmemset 0 9 0x7f\nread 1 5\nclock_step 500\nirq_intercept_in ioapic\nset_irq_in ioapic unnamed-gpio-in 1 1\n"u8.ToArray());
    }

    private static byte[] Initramfs()
    {
        var stream = new MemoryStream();
        CpioArchive.Write(stream, [new CpioEntry("init", CpioKind.File, 0x1ed) { Content = "content"u8.ToArray() }]);
        return stream.ToArray();
    }

    private static void ReadMail(byte[] bytes)
    {
        _ = new Mail(bytes, "fuzz");
        var message = MailReader.Read(bytes);
        if (message.NotChecked is null)
            PatchParser.Print(PatchParser.Parse(message.Text));
    }
}
