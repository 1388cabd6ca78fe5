using System.Text;
using Gauntlet.Pipelines.Checks;
using Gauntlet.Pipelines.Checks.Fixing;

namespace Gauntlet.Pipelines.Tests.Checks;

/// <summary>What <c>--fix</c> writes has no longer what it fixed, and nothing else changed.</summary>
public sealed class FixingTests
{
    private const string Patch =
        "From: A <a@b.c>\n\nlog\n\nsigned-off-by: A <a@b.c>\n---\n--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,2 +1,8 @@\n int a; \n+int b; \n+    if(a){\n+        f(__FUNCTION__);;\n+    }\n+    g(\"if(x)\");\n+int c;\r\n int d;\n";

    [Fact]
    public void WhatIsMechanicalIsFixed()
    {
        var folder = Directory.CreateTempSubdirectory("gauntlet-fix");
        try
        {
            var path = Path.Combine(folder.FullName, "x.patch");
            File.WriteAllText(path, Patch);
            Assert.Equal(1, CheckProgram.Run(["--no-tree", "--rules=qemu", "--fix", path], new MemoryStream()));
            var text = File.ReadAllText(path + ".fixed");
            Assert.Equal(
                "From: A <a@b.c>\n\nlog\n\nSigned-off-by: A <a@b.c>\n---\n--- a/hw/x.c\n+++ b/hw/x.c\n@@ -1,2 +1,8 @@\n int a; \n+int b;\n+    if (a) {\n+        f(__func__);\n+    }\n+    g(\"if(x)\");\n+int c;\n int d;\n",
                text);
            var (exit, report) = HostileInputTests.Run(Encoding.UTF8.GetBytes(text), "--rules=qemu");
            Assert.DoesNotContain(PatchFixer.Types, type => report.Contains(type, StringComparison.Ordinal));
            Assert.Equal(0, exit);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void StandardInputCannotBeFixedInPlace() => Assert.Throws<CheckException>(() => CheckProgram.Run(["--fix", "-"], new MemoryStream()));
}
