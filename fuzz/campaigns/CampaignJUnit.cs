using System.Globalization;
using System.Xml;
using Gauntlet.Results.Reports;

namespace Gauntlet.Fuzz.Campaigns;

/// <summary>A campaign as JUnit XML: a case a target, failed by what is new.</summary>
public static class CampaignJUnit
{
    public static void Write(string path, IReadOnlyList<CampaignOutcome> outcomes)
    {
        var whole = path + ".tmp";
        using (var xml = XmlWriter.Create(whole, new XmlWriterSettings { Indent = true }))
        {
            xml.WriteStartElement("testsuite");
            xml.WriteAttributeString("name", "fuzz");
            xml.WriteAttributeString("tests", Number(outcomes.Count));
            xml.WriteAttributeString("failures", Number(outcomes.Count(outcome => outcome.IsBad)));
            foreach (var outcome in outcomes)
            {
                xml.WriteStartElement("testcase");
                xml.WriteAttributeString("classname", "fuzz");
                xml.WriteAttributeString("name", outcome.Target);
                xml.WriteAttributeString("time", outcome.Spent.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture));
                if (outcome.IsBad)
                {
                    xml.WriteStartElement("failure");
                    xml.WriteAttributeString("message", $"{outcome.New.Count} new failures, {outcome.Regressions.Count} that came back");
                    xml.WriteString(Harmless.Lines(string.Join('\n', outcome.New.Concat(outcome.Regressions))));
                    xml.WriteEndElement();
                }
                xml.WriteElementString("system-out", string.Create(CultureInfo.InvariantCulture,
                    $"{outcome.Last.Execs} runs, {outcome.Last.Edges} of {outcome.Last.EdgesTotal} edges, {outcome.Last.Corpus} inputs, {outcome.Known.Count} known failures"));
                xml.WriteEndElement();
            }
            xml.WriteEndElement();
        }
        File.Move(whole, path, overwrite: true);
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
