using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using FsCheck.Fluent;
using Gauntlet.Harness.Suites;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Tests.Suites;

/// <summary>A test on the real thing, where somebody has it.</summary>
internal sealed class KvmUnitTestsFactAttribute : FactAttribute
{
    public const string Variable = "GAUNTLET_KUT";

    public KvmUnitTestsFactAttribute()
    {
        if (Checkout is null)
            Skip = $"{Variable} does not name a kvm-unit-tests checkout";
    }

    public static string? Checkout => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } path && File.Exists(Path.Combine(path, "run_tests.sh")) ? path : null;
}

public sealed partial class KvmUnitTestsCheckout
{
    [KvmUnitTestsFact]
    public void EveryTestOfEveryArchitectureIsUnderstood()
    {
        foreach (var (folder, arch) in new[] { ("x86", "x86_64"), ("arm", "aarch64"), ("riscv", "riscv64") })
        {
            var path = Path.Combine(KvmUnitTestsFactAttribute.Checkout!, folder, UnittestsCfg.FileName);
            var suite = UnittestsCfg.Load(path, new SuiteContext { MaxSmp = 2, Arch = arch });
            Assert.Equal(Header().Count(File.ReadAllText(path)), suite.Cases.Count);
            Assert.DoesNotContain(suite.Notes, note => !note.Contains("-enable-kvm"));
            // Migration is told as a skip; anything else must be understood.
            Assert.DoesNotContain(suite.Cases, testCase => testCase.SkipReason is not null && !testCase.Groups.Contains("migration"));
        }
    }

    // Its own reader is the reference: the raw values of files made of everything that occurs in them.
    [KvmUnitTestsFact]
    public void AnyFileIsReadAsItsRunnerReadsIt()
    {
        using var folder = new TemporaryFolder();
        var lines = Gen.Elements(
            "[a]", "[b c]", "[]", "  [d]  ", "[e", "# comment", "  # [f]", "", "file = a.flat", "file=b.flat", "file  =  c.flat  ", "smp = 2", "smp = $MAX_SMP", "test_args = 'x y' # z", "test_args =",
            "qemu_params = -m 1", "extra_params = -cpu max", "qemu_params = \"\"\"-a \\", "-b \\", "-c \\\\", "-d\"\"\"", "\"\"\"", "groups = g nodefault", "arch = arm64", "machine = q35", "check = /a=1 /b=2", "accel = kvm", "timeout = 10s",
            "disabled_if = [[ a == b ]]", "unknown = 1", "files = no", "\tfile = tab.flat", "file\t= no.flat", "kvmtool_params = --x");
        var files = Gen.Sample(lines.ListOf(), 60).Select(parts => string.Concat(parts.Select(line => line + "\n"))).ToList();
        for (var index = 0; index < files.Count; index++)
            folder.Write($"{index}.cfg", files[index]);
        var theirs = AskRunner(folder, files.Count);
        var compared = 0;
        for (var index = 0; index < files.Count; index++)
        {
            List<CfgBlock> blocks;
            try
            {
                blocks = CfgReader.Read(files[index], "x", []);
            }
            catch (UserException)
            {
                // An open triple quote, which its runner reads to the end of the file.
                continue;
            }

            // Its runner forgets the condition of the file's last test; that is not imitated.
            var last = blocks.LastOrDefault();
            var ours = blocks.Select(block => Describe(
                block.Name, block.Text("groups"), block.Text("smp") is { Length: > 0 } smp ? smp : "1", block.Text("file"), block.Text("test_args"), block.Text("qemu_params"), block.Text("arch"),
                block.Text("machine"), block.Text("check"), block.Text("accel"), block.Text("timeout"), block == last ? "" : block.Text("disabled_if")));
            if (theirs[index].Count > 0)
                theirs[index][^1] = theirs[index][^1][..(theirs[index][^1].LastIndexOf('|') + 1)];
            Assert.Equal((files[index], string.Join('\n', theirs[index])), (files[index], string.Join('\n', ours)));
            compared += blocks.Count;
        }

        Assert.True(compared > 20);
    }

    private static string Describe(params string[] fields) => string.Join('|', fields.Select(field => string.Join(' ', field.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))));

    private static List<List<string>> AskRunner(TemporaryFolder folder, int count)
    {
        const string Script = """
            cd "$1" || exit; source scripts/common.bash
            show() { printf '%s\x1f' "$@"; printf '\x1e'; }
            for ((i = 0; i < $3; i++)); do for_each_unittest "$2/$i.cfg" show; printf '\x1d'; done
            """;
        var start = new ProcessStartInfo("/bin/bash", ["-c", Script, "ask", KvmUnitTestsFactAttribute.Checkout!, folder.Path, count.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true };
        start.Environment["TARGET"] = "qemu";
        using var bash = Process.Start(start)!;
        var answer = bash.StandardOutput.ReadToEnd();
        bash.WaitForExit();
        var testDir = KutConfiguration.Read(Path.Combine(KvmUnitTestsFactAttribute.Checkout!, KutConfiguration.FileName)).GetValueOrDefault("TEST_DIR", "x86");
        return
        [
            .. answer.Split('\x1d', count + 1).Take(count).Select(file => file.Split('\x1e', StringSplitOptions.RemoveEmptyEntries).Select(record =>
            {
                var fields = record.Split('\x1f').Take(12).Select(field => field.Trim()).ToList();
                while (fields.Count < 12)
                    fields.Add("");
                // Behind a triple quote's first line it puts these characters where it means a line end.
                fields[5] = fields[5].Replace("\\$'\\n'", "", StringComparison.Ordinal).Replace("$'\\n'", "\n", StringComparison.Ordinal);
                fields[2] = fields[2]["-smp".Length..];
                fields[3] = fields[3].StartsWith(testDir + "/", StringComparison.Ordinal) ? fields[3][(testDir.Length + 1)..] : fields[3];
                fields[4] = fields[4].StartsWith("-append", StringComparison.Ordinal) ? fields[4]["-append".Length..] : fields[4];
                return Describe([.. fields]);
            }).ToList()),
        ];
    }

    [GeneratedRegex(@"^\[.+\]\s*$", RegexOptions.Multiline)]
    private static partial Regex Header();
}
