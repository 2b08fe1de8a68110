"""Names of the ActiveSync code pages and their tags (MS-ASWBXML 2.1.2.1).

Only names on which the published tables agree are here; a tag without a name still travels, by
its number. Left out for that reason: in ComposeMail the two children of Forwardee (17, 18), in Find
the three picture limits, and the tags of protocol 2.5 whose numbers later versions dropped.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Page number -> its name and its tags, each a hexadecimal token and a name.
_PAGES: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        0: (
            "AirSync",
            """
        05 Sync 06 Responses 07 Add 08 Change 09 Delete 0A Fetch 0B SyncKey 0C ClientId
        0D ServerId 0E Status 0F Collection 10 Class 12 CollectionId 13 GetChanges
        14 MoreAvailable 15 WindowSize 16 Commands 17 Options 18 FilterType 1B Conflict
        1C Collections 1D ApplicationData 1E DeletesAsMoves 20 Supported 21 SoftDelete
        22 MIMESupport 23 MIMETruncation 24 Wait 25 Limit 26 Partial 27 ConversationMode
        28 MaxItems 29 HeartbeatInterval
        """,
        ),
        2: (
            "Email",
            """
        0F DateReceived 11 DisplayTo 12 Importance 13 MessageClass 14 Subject 15 Read 16 To
        17 Cc 18 From 19 ReplyTo 1A AllDayEvent 1B Categories 1C Category 1D DtStamp 1E EndTime
        1F InstanceType 20 BusyStatus 21 Location 22 MeetingRequest 23 Organizer 24 RecurrenceId
        25 Reminder 26 ResponseRequested 27 Recurrences 28 Recurrence 29 Type 2A Until
        2B Occurrences 2C Interval 2D DayOfWeek 2E DayOfMonth 2F WeekOfMonth 30 MonthOfYear
        31 StartTime 32 Sensitivity 33 TimeZone 34 GlobalObjId 35 ThreadTopic 39 InternetCPID
        3A Flag 3B Status 3C ContentClass 3D FlagType 3E CompleteTime 3F DisallowNewTimeProposal
        """,
        ),
        5: (
            "Move",
            """
        05 MoveItems 06 Move 07 SrcMsgId 08 SrcFldId 09 DstFldId 0A Response 0B Status
        0C DstMsgId
        """,
        ),
        6: (
            "GetItemEstimate",
            """
        05 GetItemEstimate 07 Collections 08 Collection 09 Class 0A CollectionId 0C Estimate
        0D Response 0E Status
        """,
        ),
        7: (
            "FolderHierarchy",
            """
        05 Folders 06 Folder 07 DisplayName 08 ServerId 09 ParentId 0A Type 0C Status 0E Changes
        0F Add 10 Delete 11 Update 12 SyncKey 13 FolderCreate 14 FolderDelete 15 FolderUpdate
        16 FolderSync 17 Count
        """,
        ),
        8: (
            "MeetingResponse",
            """
        05 CalendarId 06 CollectionId 07 MeetingResponse 08 RequestId 09 Request 0A Result
        0B Status 0C UserResponse 0E InstanceId 10 ProposedStartTime 11 ProposedEndTime
        12 SendResponse
        """,
        ),
        10: (
            "ResolveRecipients",
            """
        05 ResolveRecipients 06 Response 07 Status 08 Type 09 Recipient 0A DisplayName
        0B EmailAddress 0C Certificates 0D Certificate 0E MiniCertificate 0F Options 10 To
        11 CertificateRetrieval 12 RecipientCount 13 MaxCertificates 14 MaxAmbiguousRecipients
        15 CertificateCount 16 Availability 17 StartTime 18 EndTime 19 MergedFreeBusy 1A Picture
        1B MaxSize 1C Data 1D MaxPictures
        """,
        ),
        11: (
            "ValidateCert",
            """
        05 ValidateCert 06 Certificates 07 Certificate 08 CertificateChain 09 CheckCRL 0A Status
        """,
        ),
        13: (
            "Ping",
            """
        05 Ping 07 Status 08 HeartbeatInterval 09 Folders 0A Folder 0B Id 0C Class 0D MaxFolders
        """,
        ),
        14: (
            "Provision",
            """
        05 Provision 06 Policies 07 Policy 08 PolicyType 09 PolicyKey 0A Data 0B Status
        0C RemoteWipe 0D EASProvisionDoc 0E DevicePasswordEnabled
        0F AlphanumericDevicePasswordRequired 10 RequireStorageCardEncryption
        11 PasswordRecoveryEnabled 13 AttachmentsEnabled 14 MinDevicePasswordLength
        15 MaxInactivityTimeDeviceLock 16 MaxDevicePasswordFailedAttempts 17 MaxAttachmentSize
        18 AllowSimpleDevicePassword 19 DevicePasswordExpiration 1A DevicePasswordHistory
        1B AllowStorageCard 1C AllowCamera 1D RequireDeviceEncryption
        1E AllowUnsignedApplications 1F AllowUnsignedInstallationPackages
        20 MinDevicePasswordComplexCharacters 21 AllowWiFi 22 AllowTextMessaging
        23 AllowPOPIMAPEmail 24 AllowBluetooth 25 AllowIrDA 26 RequireManualSyncWhenRoaming
        27 AllowDesktopSync 28 MaxCalendarAgeFilter 29 AllowHTMLEmail 2A MaxEmailAgeFilter
        2B MaxEmailBodyTruncationSize 2C MaxEmailHTMLBodyTruncationSize
        2D RequireSignedSMIMEMessages 2E RequireEncryptedSMIMEMessages
        2F RequireSignedSMIMEAlgorithm 30 RequireEncryptionSMIMEAlgorithm
        31 AllowSMIMEEncryptionAlgorithmNegotiation 32 AllowSMIMESoftCerts 33 AllowBrowser
        34 AllowConsumerEmail 35 AllowRemoteDesktop 36 AllowInternetSharing
        37 UnapprovedInROMApplicationList 38 ApplicationName 39 ApprovedApplicationList 3A Hash
        3B AccountOnlyRemoteWipe
        """,
        ),
        15: (
            "Search",
            """
        05 Search 07 Store 08 Name 09 Query 0A Options 0B Range 0C Status 0D Response 0E Result
        0F Properties 10 Total 11 EqualTo 12 Value 13 And 14 Or 15 FreeText 17 DeepTraversal
        18 LongId 19 RebuildResults 1A LessThan 1B GreaterThan 1E UserName 1F Password
        20 ConversationId 21 Picture 22 MaxSize 23 MaxPictures
        """,
        ),
        17: (
            "AirSyncBase",
            """
        05 BodyPreference 06 Type 07 TruncationSize 08 AllOrNone 0A Body 0B Data
        0C EstimatedDataSize 0D Truncated 0E Attachments 0F Attachment 10 DisplayName
        11 FileReference 12 Method 13 ContentId 14 ContentLocation 15 IsInline 16 NativeBodyType
        17 ContentType 18 Preview 19 BodyPartPreference 1A BodyPart 1B Status 1C Add 1D Delete
        1E ClientId 1F Content 20 Location 21 Annotation 22 Street 23 City 24 State 25 Country
        26 PostalCode 27 Latitude 28 Longitude 29 Accuracy 2A Altitude 2B AltitudeAccuracy
        2C LocationUri 2D InstanceId
        """,
        ),
        18: (
            "Settings",
            """
        05 Settings 06 Status 07 Get 08 Set 09 Oof 0A OofState 0B StartTime 0C EndTime
        0D OofMessage 0E AppliesToInternal 0F AppliesToExternalKnown 10 AppliesToExternalUnknown
        11 Enabled 12 ReplyMessage 13 BodyType 14 DevicePassword 15 Password
        16 DeviceInformation 17 Model 18 IMEI 19 FriendlyName 1A OS 1B OSLanguage 1C PhoneNumber
        1D UserInformation 1E EmailAddresses 1F SMTPAddress 20 UserAgent 21 EnableOutboundSMS
        22 MobileOperator 23 PrimarySmtpAddress 24 Accounts 25 Account 26 AccountId
        27 AccountName 28 UserDisplayName 29 SendDisabled 2B RightsManagementInformation
        """,
        ),
        20: (
            "ItemOperations",
            """
        05 ItemOperations 06 Fetch 07 Store 08 Options 09 Range 0A Total 0B Properties 0C Data
        0D Status 0E Response 0F Version 10 Schema 11 Part 12 EmptyFolderContents
        13 DeleteSubFolders 14 UserName 15 Password 16 Move 17 DstFldId 18 ConversationId
        19 MoveAlways
        """,
        ),
        21: (
            "ComposeMail",
            """
        05 SendMail 06 SmartForward 07 SmartReply 08 SaveInSentItems 09 ReplaceMime 0B Source
        0C FolderId 0D ItemId 0E LongId 0F InstanceId 10 Mime 11 ClientId 12 Status 13 AccountId
        15 Forwardees 16 Forwardee
        """,
        ),
        25: (
            "Find",
            """
        05 Find 06 SearchId 07 ExecuteSearch 08 MailBoxSearchCriterion 09 Query 0A Status
        0B FreeText 0C Options 0D Range 0E DeepTraversal 11 Response 12 Result 13 Properties
        14 Preview 15 HasAttachments 16 Total 17 DisplayCc 18 DisplayBcc 19 GALSearchCriterion
        """,
        ),
    }
)


def _names() -> dict[tuple[int, int], str]:
    names = {}
    for page, (page_name, table) in _PAGES.items():
        words = table.split()
        for token, name in zip(words[::2], words[1::2], strict=True):
            names[page, int(token, 16)] = f"{page_name}:{name}"
    return names


NAMES: Final[Mapping[tuple[int, int], str]] = MappingProxyType(_names())
"""(page, token) -> "Page:Tag", for example (7, 0x16) -> "FolderHierarchy:FolderSync"."""

TOKENS: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {name: tag for tag, name in NAMES.items()}
)
"""The reverse of `NAMES`."""
