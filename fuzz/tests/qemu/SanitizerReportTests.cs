using System.Globalization;
using FsCheck.Fluent;
using Gauntlet.Fuzz.Qemu;

namespace Gauntlet.Fuzz.Tests.Qemu;

public sealed class SanitizerReportTests
{
    private const string Report =
        """
        qemu-system-x86_64: warning: something before
        =================================================================
        ==4711==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000001234 at pc 0x55d012345678 bp 0x7ffd00000000 sp 0x7ffd00000008
        READ of size 4096 at 0x602000001234 thread T0
            #0 0x55d012345677 in __asan_memcpy (/opt/qemu/bin/qemu-system-x86_64+0x8b1677) (BuildId: 0123abcd)
            #1 0x55d012400001 in megasas_handle_frame /src/build/../hw/scsi/megasas.c:2010:9
            #2 0x7f0000001234 in g_main_context_dispatch (/lib/x86_64-linux-gnu/libglib-2.0.so.0+0x54a4d)
            #3 0x55d012400101 in megasas_mmio_write /src/build/../hw/scsi/megasas.c:2130:9
            #4 0x55d012400201 in memory_region_write_accessor /src/build/../softmmu/memory.c:492:5

        0x602000001234 is located 0 bytes to the right of 4-byte region [0x602000001230,0x602000001234)
        allocated by thread T0 here:
            #0 0x55d012345999 in malloc (/opt/qemu/bin/qemu-system-x86_64+0x8b1999)
            #1 0x55d012400999 in somewhere_else /src/build/../hw/scsi/megasas.c:1:1
        """;

    [Fact]
    public void A_report_falls_into_a_bucket_by_its_kind_and_the_programs_own_functions() =>
        Assert.Equal("AddressSanitizer heap-buffer-overflow: megasas_handle_frame < megasas_mmio_write < memory_region_write_accessor", SanitizerReport.Parse(Report)?.Bucket);

    [Fact]
    public void A_report_without_names_is_told_by_offsets_in_the_program_wherever_it_was_loaded()
    {
        const string Raw = "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000010 (pc 0x55d0 bp 0x0 sp 0x0 T0)\n==1==The signal is caused by a READ memory access.\n"
            + "    #0 0x{0:x}  (/opt/qemu-system-x86_64+0x8b1234) (BuildId: 01)\n    #1 0x{1:x}  (/lib/libc.so.6+0x1)\n    #2 0x{1:x}  (/opt/qemu-system-x86_64+0x8b1300)\n";
        Assert.Equal("AddressSanitizer SEGV: +0x8b1234 < +0x8b1300", SanitizerReport.Parse(Raw)?.Bucket);
    }

    [Theory]
    [InlineData("attempting double-free on 0x60200000 in thread T0:", "attempting double-free")]
    [InlineData("requested allocation size 0xffffffffffff exceeds maximum", "requested allocation size")]
    [InlineData("negative-size-param: (size=-1)", "negative-size-param")]
    [InlineData("0x1234", "0x1234")]
    [InlineData("", "report")]
    public void The_kind_is_told_without_addresses(string said, string kind) => Assert.Equal(kind, SanitizerReport.Parse("==1==ERROR: AddressSanitizer: " + said)?.Kind);

    [Fact]
    public void A_death_with_a_report_is_the_sanitizers_whatever_its_status() =>
        Assert.StartsWith("AddressSanitizer heap-buffer-overflow: megasas", QemuFailure.FromWords(134, Report)?.Bucket, StringComparison.Ordinal);

    [Fact]
    public void Recursion_is_one_place() =>
        Assert.Equal(
            "AddressSanitizer stack-overflow: walk < main",
            SanitizerReport.Parse("ERROR: AddressSanitizer: stack-overflow on address 0x1\n" + string.Concat(Enumerable.Range(0, 200).Select(i => $" #{i} 0x1 in walk /s/a.c:1:1\n")) + " #200 0x1 in main /s/a.c:9:1\n")?.Bucket);

    [Fact]
    public void The_same_fault_at_other_addresses_is_in_the_same_bucket() =>
        Prop.ForAll(ArbMap.Default.GeneratorFor<uint>().Three().ToArbitrary(), at =>
        {
            var moved = Report.Replace("0x602000001234", Hex(at.Item1), StringComparison.Ordinal).Replace("0x55d012400001", Hex(at.Item2), StringComparison.Ordinal)
                .Replace("4711", at.Item3.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
            return SanitizerReport.Parse(moved)?.Bucket == SanitizerReport.Parse(Report)?.Bucket;
        }).Holds();

    // A guest can have QEMU write to its standard error, and a report may be cut off anywhere.
    [Fact]
    public void Any_text_is_a_report_with_one_line_for_a_bucket_or_none()
    {
        var words = Gen.Elements("ERROR: AddressSanitizer: ", "SEGV", "\n", "\n#0 ", "#", " 0x1", " 0x", " in ", "f", "(", ")", "+0x", "/a.so", " (/q+0x12)", " ", "attempting ", "\0", "é", "\r", "compiler-rt");
        Prop.ForAll(words.ArrayOf().Select(parts => string.Concat(parts)).ToArbitrary(), text =>
            SanitizerReport.Parse(text) is not { } report || (report.Bucket.Split('\n', '\r').Length == 1 && report.Places.Count <= 3)).Holds(2_000);
        Prop.ForAll(Gen.Choose(0, Report.Length).ToArbitrary(), length => SanitizerReport.Parse(Report[..length]) is not { Kind: "" }).Holds();
    }

    private static string Hex(uint value) => $"0x{value:x}";
}
